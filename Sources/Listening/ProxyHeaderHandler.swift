import NIOCore

/// Stands at the front of a connection on a port that takes PROXY headers: reads that of a trusted proxy, and ends the
/// connection of anybody else who sends one.
final class ProxyHeaderHandler: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    private let isTrusted: Bool
    /// Told whose connection it is: `nil` when the peer speaks for itself.
    private let onHeader: (ChannelHandlerContext, IPAddress?) -> Void
    private let onRefusal: (ChannelHandlerContext) -> Void
    private var pending = ByteBuffer()
    private var isDone = false

    /// - Parameters:
    ///   - isTrusted: whether the peer is a trusted proxy, and so has to send a header.
    ///   - onHeader: puts in what deals with the bytes behind the header.
    ///   - onRefusal: ends the connection.
    init(
        isTrusted: Bool, onHeader: @escaping (ChannelHandlerContext, IPAddress?) -> Void,
        onRefusal: @escaping (ChannelHandlerContext) -> Void
    ) {
        self.isTrusted = isTrusted
        self.onHeader = onHeader
        self.onRefusal = onRefusal
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDone else { return context.fireChannelRead(data) }
        var bytes = unwrapInboundIn(data)
        pending.writeBuffer(&bytes)
        do throws(ProxyHeader.Failure) {
            guard let header = try read() else { return }
            finish(context, source: header.source)
        } catch {
            if !isTrusted, error == .noHeader { finish(context, source: nil) } else { refuse(context) }
        }
    }

    /// Of a peer who is not trusted the signature is enough to know that it is not let in.
    private func read() throws(ProxyHeader.Failure) -> ProxyHeader? {
        guard isTrusted else {
            let count = min(pending.readableBytes, ProxyHeader.signature.count)
            guard pending.readableBytesView.prefix(count).elementsEqual(ProxyHeader.signature.prefix(count)) else {
                throw .noHeader
            }
            if count == ProxyHeader.signature.count { throw .faulty }
            return nil
        }
        return try ProxyHeader.read(from: &pending)
    }

    private func finish(_ context: ChannelHandlerContext, source: IPAddress?) {
        isDone = true
        onHeader(context, source)
        let rest = exchange(&pending, with: ByteBuffer())
        if rest.readableBytes > 0 {
            context.fireChannelRead(wrapInboundOut(rest))
            context.fireChannelReadComplete()
        }
        context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    }

    private func refuse(_ context: ChannelHandlerContext) {
        isDone = true
        pending = ByteBuffer()
        onRefusal(context)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        let isInputClosed = (event as? ChannelEvent).map { $0 == .inputClosed } ?? false
        guard !isDone, isInputClosed || event is ChannelShouldQuiesceEvent else {
            return context.fireUserInboundEventTriggered(event)
        }
        context.close(promise: nil)
    }
}
