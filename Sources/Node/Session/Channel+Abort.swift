import NIOCore

extension Channel {
    /// Bytes that the channel keeps for its socket. On the channel's event loop.
    public var bytesForSocket: Int { (try? syncOptions?.getOption(.bufferedWritableBytes)) ?? 0 }

    /// The memory that they take at most: a buffer has a power of two of bytes, and so up to twice what it holds.
    public var memoryForSocket: Int { bytesForSocket.multipliedReportingOverflow(by: 2).partialValue }

    /// Closes the connection at its socket, whatever handlers would like to send first: bytes that wait in the channel
    /// are dropped, those of TLS too. On the channel's event loop.
    public func abort() {
        do {
            try pipeline.syncOperations.addHandler(SocketCloser(), position: .first)
        } catch {
            close(promise: nil)
        }
    }
}

/// First in its pipeline, so that nobody comes between its `close` and the socket.
private final class SocketCloser: ChannelOutboundHandler {
    typealias OutboundIn = Never

    func handlerAdded(context: ChannelHandlerContext) { context.close(promise: nil) }
}
