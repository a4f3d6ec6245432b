import NIOCore

/// What compressing needs on each event loop of a node.
public struct WebSocketCompressions: Sendable {
    private let byLoop: [ObjectIdentifier: WebSocketCompression]

    /// - Parameters:
    ///   - options: `nil` when nothing is compressed.
    ///   - eventLoops: those of the channels that are to come.
    public init(_ options: WebSocketCompression.Options?, eventLoops: EventLoopIterator) {
        byLoop = Dictionary(
            uniqueKeysWithValues: eventLoops.compactMap { eventLoop in
                options.map { (ObjectIdentifier(eventLoop), WebSocketCompression($0)) }
            })
    }

    /// What a WebSocket of that event loop compresses with; `nil` when nothing was agreed.
    public func agreed(_ agreement: PerMessageDeflate?, on eventLoop: any EventLoop) -> WebSocketCompression.Agreed? {
        guard let agreement, let compression = byLoop[ObjectIdentifier(eventLoop)] else { return nil }
        return WebSocketCompression.Agreed(compression, by: agreement)
    }
}
