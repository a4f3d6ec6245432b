import NIOCore
import NIOHTTP1

/// What becomes of connections, the same for all of a node.
public struct ConnectionSetup: Sendable {
    let rules: RequestRules
    /// Puts the session's handlers into a channel that has become a WebSocket, on its event loop.
    let startSession: @Sendable (any Channel, AcceptedHandshake) throws -> Void
    /// Puts the handlers of plain HTTP into a channel, on its event loop, and serves its requests by the same rules.
    let servePlainly: @Sendable (any Channel) throws -> Void
    private let watches: [ObjectIdentifier: FirstRequestWatch]

    /// What a request's head may hold. Of what is served here only a cookie that is not ours is longer than a line.
    private static let headLimits: NIOHTTPDecoderLimitConfiguration = {
        var limits = NIOHTTPDecoderLimitConfiguration()
        limits.maxHeaderFieldSize = 16 * 1024
        limits.maxHeaderListSize = 64 * 1024
        limits.maxHeaderFieldCount = 128
        return limits
    }()

    /// - Parameter eventLoops: those of the channels that are to come.
    public init(
        rules: RequestRules, eventLoops: EventLoopIterator,
        startSession: @escaping @Sendable (any Channel, AcceptedHandshake) throws -> Void,
        servePlainly: @escaping @Sendable (any Channel) throws -> Void
    ) {
        self.rules = rules
        self.startSession = startSession
        self.servePlainly = servePlainly
        watches = Dictionary(
            uniqueKeysWithValues: eventLoops.map { (ObjectIdentifier($0), FirstRequestWatch(eventLoop: $0)) })
    }

    /// Puts into a new channel what it needs until its first request is there.
    public func initialize(_ channel: any Channel) throws {
        guard let watch = watches[ObjectIdentifier(channel.eventLoop)] else {
            throw ChannelError.inappropriateOperationForState
        }
        let decoder = ByteToMessageHandler(
            HTTPRequestDecoder(
                leftOverBytesStrategy: .forwardBytes, informationalResponseStrategy: .drop,
                limitConfiguration: Self.headLimits))
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(decoder)
        try pipeline.addHandler(FirstRequestHandler(decoder: decoder, setup: self, watch: watch))
    }
}
