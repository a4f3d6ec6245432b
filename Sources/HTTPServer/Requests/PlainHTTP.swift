import BelfryModel
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Listening
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import Node

/// The requests of a node's port that are no handshakes, answered by a Hummingbird router behind `RequestHandler`. A
/// connection's first request only may become a WebSocket: a later one is told to come again on a new connection.
public struct PlainHTTP: Sendable {
    private let responder: RouterResponder<NodeRequestContext>
    private let rules: RequestRules
    private let limits: Limits
    private let logger: Logger
    private let addHandlers: @Sendable (any Channel, AcceptedConnection) throws -> Void

    /// - Parameters:
    ///   - limits: of them those of plain HTTP.
    ///   - addHandlers: adds to a channel, on its event loop, handlers that answer requests which the router does not
    ///     know. They see `HTTPServerRequestPart`s of one request at a time, those of a connection's later ones too,
    ///     hand on what is not theirs, and may write an answer for as long as they like after an `OpenEndedAnswer`.
    public init(
        router: Router<NodeRequestContext>, rules: RequestRules, limits: Limits, logger: Logger,
        addHandlers: @escaping @Sendable (any Channel, AcceptedConnection) throws -> Void = { _, _ in }
    ) {
        self.responder = router.buildResponder()
        self.rules = rules
        self.limits = limits
        self.logger = logger
        self.addHandlers = addHandlers
    }

    /// Puts the handlers of HTTP into a channel, behind its decoder, and serves its requests in a task that ends with
    /// the channel.
    ///
    /// - Parameters:
    ///   - connection: whose requests they are.
    ///   - turns: those of the channel's event loop.
    public func serve(_ channel: any Channel, of connection: AcceptedConnection, turns: TurnQueue) throws {
        let options = channel.syncOptions
        try options?.setOption(
            .recvAllocator, value: FixedSizeRecvByteBufferAllocator(capacity: RequestPacer.readBytes))
        try options?.setOption(.maxMessagesPerRead, value: 1)
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(HTTPResponseEncoder())
        try pipeline.addHandler(RequestPacer(turns: turns))
        try pipeline.addHandler(RequestHandler(rules: rules, connection: connection, limits: limits))
        try addHandlers(channel, connection)
        try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: connection.isSecure))
        try pipeline.addHandler(HTTPConnectionStateHandler(logger: logger))
        let requests = try NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>(
            wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
        let http = HTTP1Channel(responder: respond(on: connection))
        Task { [logger] in await http.handle(value: requests, logger: logger) }
    }

    /// What Hummingbird's `Application` does with a request; its server is not used here.
    private func respond(on connection: AcceptedConnection) -> HTTP1Channel.Responder {
        let (responder, logger, forwarding) = (responder, logger, rules.forwarding)
        return { request, writer, channel in
            let context = NodeRequestContext(
                source: .init(channel: channel, logger: logger, connection: connection, forwarding: forwarding))
            let response: Response
            do {
                response = try await responder.respond(to: request, context: context)
            } catch let error as HTTPParserError {
                // It was answered by `RequestHandler`.
                throw error
            } catch {
                logger.debug("A request could not be answered", metadata: ["error": "\(error)"])
                response = Response(status: .internalServerError)
            }
            try await writer.write(response: response.head, body: response.body)
        }
    }
}
