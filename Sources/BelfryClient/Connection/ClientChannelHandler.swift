import NIOCore

/// The last handler of a channel: what comes goes to the connection, and the socket is read only while that may.
final class ClientChannelHandler: ChannelDuplexHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private let connection: ClientConnection
    private var context: ChannelHandlerContext?
    /// The channel wanted to read and was not let.
    private var isReadHeld = false

    init(_ connection: ClientConnection) {
        self.connection = connection
    }

    func handlerAdded(context: ChannelHandlerContext) {
        self.context = context
    }

    func handlerRemoved(context: ChannelHandlerContext) {
        self.context = nil
    }

    /// Over TCP; a WebSocket's channel is active long before.
    func channelActive(context: ChannelHandlerContext) {
        connection.opened()
    }

    func read(context: ChannelHandlerContext) {
        if connection.mayRead {
            context.read()
        } else {
            isReadHeld = true
        }
    }

    /// Reads if that was wanted and held, and may be now.
    func readAgain() {
        guard isReadHeld, connection.mayRead, let context else { return }
        isReadHeld = false
        context.read()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        connection.received(unwrapInboundIn(data))
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let closed = event as? WebSocketClientHandler.Closed {
            connection.closed(code: closed.code, reason: closed.reason)
        }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        connection.failed(error)
    }

    func channelInactive(context: ChannelHandlerContext) {
        connection.ended(.lost())
        context.fireChannelInactive()
    }
}
