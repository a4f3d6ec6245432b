import BelfryModel
import Listening
import NIOCore
import NIOHTTP1

/// What becomes of connections, the same for all of a node.
public struct ConnectionSetup: Sendable {
    let rules: RequestRules
    /// Puts the session's handlers into a channel that has become a WebSocket, on its event loop.
    let startSession: @Sendable (any Channel, AcceptedHandshake) throws -> Void
    /// Puts the handlers of plain HTTP into a channel, on its event loop, and serves its requests by the same rules.
    let servePlainly: @Sendable (any Channel, AcceptedConnection) throws -> Void
    private let watches: [ObjectIdentifier: FirstRequestWatch]
    private let headLimits: NIOHTTPDecoderLimitConfiguration
    private let refusals = RefusedConnections()

    /// - Parameters:
    ///   - limits: of them those of a request's head and the time for the first one.
    ///   - eventLoops: those of the channels that are to come.
    public init(
        rules: RequestRules, limits: Limits = Limits(), eventLoops: EventLoopIterator,
        startSession: @escaping @Sendable (any Channel, AcceptedHandshake) throws -> Void,
        servePlainly: @escaping @Sendable (any Channel, AcceptedConnection) throws -> Void
    ) {
        self.rules = rules
        self.startSession = startSession
        self.servePlainly = servePlainly
        headLimits = NIOHTTPDecoderLimitConfiguration(limits)
        let timeout = TimeAmount(limits.firstRequestTimeout)
        watches = Dictionary(
            uniqueKeysWithValues: eventLoops.map {
                (ObjectIdentifier($0), FirstRequestWatch(eventLoop: $0, timeout: timeout))
            })
    }

    /// Has a connection that is over a limit told so, and closed.
    public func refuse(_ channel: any Channel, _ refusal: ConnectionRefusal) throws {
        try refusals.add(channel, refusal)
    }

    /// Puts into a new channel what it needs until its first request is there.
    public func initialize(_ channel: any Channel, _ connection: AcceptedConnection) throws {
        guard let watch = watches[ObjectIdentifier(channel.eventLoop)] else {
            throw ChannelError.inappropriateOperationForState
        }
        let decoder = ByteToMessageHandler(
            HTTPRequestDecoder(
                leftOverBytesStrategy: .forwardBytes, informationalResponseStrategy: .drop,
                limitConfiguration: headLimits))
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(decoder)
        try pipeline.addHandler(
            FirstRequestHandler(decoder: decoder, setup: self, watch: watch, connection: connection))
    }
}

extension NIOHTTPDecoderLimitConfiguration {
    fileprivate init(_ limits: Limits) {
        self.init()
        maxHeaderFieldSize = limits.requestHeaderBytesMax
        maxHeaderListSize = limits.requestHeadBytesMax
        maxHeaderFieldCount = limits.requestHeadersMax
    }
}
