import NIOCore
import NIOSSL
import NIOTLS

/// Stands behind the handler of TLS: lets the connection begin once the handshake is through, and ends it when that
/// fails. Then it stays, and keeps from those behind it what TLS says of a peer that ends without a farewell, as most
/// do: half of an end is an end of TCP's like any other.
final class TLSHandshakeHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private enum State { case handshaking, established, failed }

    /// Puts in what deals with the connection.
    private let onHandshake: (ChannelHandlerContext) -> Void
    private let onFailure: (ChannelHandlerContext) -> Void
    private var state = State.handshaking

    /// - Parameters:
    ///   - onHandshake: puts in what deals with the connection.
    ///   - onFailure: counts it; the connection is closed by this handler.
    init(
        onHandshake: @escaping (ChannelHandlerContext) -> Void, onFailure: @escaping (ChannelHandlerContext) -> Void
    ) {
        self.onHandshake = onHandshake
        self.onFailure = onFailure
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if state == .handshaking {
            if case .handshakeCompleted? = event as? TLSUserEvent {
                state = .established
                onHandshake(context)
                return
            }
            let isInputClosed = (event as? ChannelEvent).map { $0 == .inputClosed } ?? false
            if isInputClosed || event is ChannelShouldQuiesceEvent { return fail(context) }
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if state == .handshaking { return fail(context) }
        if let error = error as? NIOSSLError, case .uncleanShutdown = error { return }
        context.fireErrorCaught(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        if state == .handshaking { fail(context) }
        context.fireChannelInactive()
    }

    private func fail(_ context: ChannelHandlerContext) {
        state = .failed
        onFailure(context)
        context.close(promise: nil)
    }
}
