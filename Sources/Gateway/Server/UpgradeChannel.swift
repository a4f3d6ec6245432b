import Glibc
import HTTPTypes
import Hummingbird
import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOHTTPTypes
import NIOHTTPTypesHTTP1
import NIOWebSocket

/// One port for everything: a connection's first request may become a WebSocket of ours; every other request goes to the
/// Hummingbird router. Upgraded sockets leave structured concurrency and live in plain channel handlers.
struct UpgradeChannel: ServerChildChannel, HTTPChannelHandler {
    /// What became of a connection.
    enum Outcome: Sendable {
        case webSocket
        case http(NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>)
        /// A first request that asked for a WebSocket and may not have one. NIO has taken its head.
        case refused(NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>, UpgradePolicy.Refusal)
    }

    struct Value: ServerChildChannelValue {
        let outcome: EventLoopFuture<Outcome>
        let channel: any Channel
    }

    let responder: Responder
    let policy: UpgradePolicy
    let webSocketFrameBytesMax: Int
    /// Puts the session's handlers into an upgraded channel, on its event loop.
    let startSession: @Sendable (any Channel) throws -> Void

    init(
        responder: @escaping Responder, policy: UpgradePolicy, webSocketFrameBytesMax: Int,
        startSession: @escaping @Sendable (any Channel) throws -> Void
    ) {
        self.responder = Self.redirectingLateUpgrades(responder, policy: policy)
        self.policy = policy
        self.webSocketFrameBytesMax = webSocketFrameBytesMax
        self.startSession = startSession
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let refusal = NIOLoopBoundBox<UpgradePolicy.Refusal?>(nil, eventLoop: channel.eventLoop)
            let upgrade = NIOTypedHTTPServerUpgradeConfiguration<Outcome>(
                upgraders: [
                    WebSocketUpgrader(
                        policy: policy, frameBytesMax: webSocketFrameBytesMax, refused: { refusal.value = $0 },
                        startSession: startSession)
                ],
                notUpgradingCompletionHandler: { channel in
                    channel.eventLoop.makeCompletedFuture {
                        let http = try Self.configureHTTP(channel, logger: logger)
                        return refusal.value.map { .refused(http, $0) } ?? .http(http)
                    }
                })
            var pipeline = NIOUpgradableHTTPServerPipelineConfiguration(upgradeConfiguration: upgrade)
            pipeline.enablePipelining = false
            // Bytes that are no HTTP are answered by 400.
            pipeline.enableErrorHandling = true
            pipeline.enableResponseHeaderValidation = false
            try Self.keepAlive(channel)
            let outcome = try channel.pipeline.syncOperations.configureUpgradableHTTPServerPipeline(
                configuration: pipeline)
            try channel.pipeline.syncOperations.addHandler(FirstRequestGuard())
            return Value(outcome: outcome, channel: channel)
        }
    }

    func handle(value: Value, logger: Logger) async {
        do {
            switch try await value.outcome.get() {
            case .webSocket:
                break
            case .http(let channel):
                await handleHTTP(asyncChannel: channel, logger: logger)
            case .refused(let channel, let refusal):
                try await Self.refuse(channel, refusal)
            }
        } catch {
            // The peer went away, or sent no HTTP: there is nobody to answer.
            logger.debug("A connection ended before its first request", metadata: ["error": "\(error)"])
            value.channel.close(promise: nil)
        }
    }

    /// A peer whose machine vanished is noticed after about two minutes, whether it promised heart-beats or not.
    private static func keepAlive(_ channel: any Channel) throws {
        let options = channel.syncOptions
        try options?.setOption(.socketOption(.so_keepalive), value: 1)
        try options?.setOption(.tcpOption(.init(rawValue: TCP_KEEPIDLE)), value: 60)
        try options?.setOption(.tcpOption(.init(rawValue: TCP_KEEPINTVL)), value: 15)
        try options?.setOption(.tcpOption(.init(rawValue: TCP_KEEPCNT)), value: 4)
    }

    /// Answers a refused upgrade with its reason, and closes.
    private static func refuse(
        _ channel: NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>, _ refusal: UpgradePolicy.Refusal
    ) async throws {
        let body = ByteBuffer(string: refusal.text + "\n")
        try await channel.executeThenClose { _, outbound in
            try await outbound.write(
                contentsOf: [
                    .head(
                        HTTPResponse(
                            status: refusal.status,
                            headerFields: [
                                .contentType: "text/plain; charset=utf-8", .connection: "close",
                                .contentLength: String(body.readableBytes),
                            ])),
                    .body(body), .end(nil),
                ])
        }
    }

    private static func configureHTTP(
        _ channel: any Channel, logger: Logger
    ) throws -> NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart> {
        try FirstRequestGuard.dismiss(from: channel)
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: false))
        try pipeline.addHandler(HTTPConnectionStateHandler(idleTimeout: .seconds(60), logger: logger))
        return try NIOAsyncChannel(
            wrappingChannelSynchronously: channel, configuration: .init(isOutboundHalfClosureEnabled: true))
    }

    /// NIO upgrades a connection's first request only: a later one is told to come again on a new connection. An upgrade
    /// that the policy refuses is answered with its reason.
    private static func redirectingLateUpgrades(
        _ responder: @escaping Responder, policy: UpgradePolicy
    ) -> Responder {
        { request, writer, channel in
            guard request.headers[.upgrade]?.lowercased() == "websocket" else {
                return try await responder(request, writer, channel)
            }
            if let refusal = policy.refusal(path: request.uri.path, origin: request.headers[.origin]) {
                let body = ByteBuffer(string: refusal.text + "\n")
                let response = Response(
                    status: refusal.status, headers: [.contentType: "text/plain; charset=utf-8"],
                    body: .init(byteBuffer: body))
                try await writer.write(response: response.head, body: response.body)
            } else {
                try await writer.writeResponse(
                    HTTPResponse(
                        status: .temporaryRedirect,
                        headerFields: [.connection: "close", .location: request.uri.string]))
                throw ConnectionCloseRequested()
            }
        }
    }

    private struct ConnectionCloseRequested: Error {}
}
