import NIOCore
import NIOWebSocket

/// A WebSocket as a stream of bytes: the payloads of its messages, however they are cut, and its farewell.
final class WebSocketClientHandler: ChannelDuplexHandler {
    typealias InboundIn = WebSocketFrame
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = WebSocketFrame

    /// The server said farewell; fired as an event.
    struct Closed: Sendable {
        /// 1005 when it gave none (RFC 6455, section 7.4.1).
        let code: UInt16
        let reason: String
    }

    private static let noCode: UInt16 = 1005
    private var isClosing = false

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let frame = unwrapInboundIn(data)
        guard !isClosing else { return }
        switch frame.opcode {
        // A STOMP frame may be split over messages, and a message over frames: the decoder does not mind.
        case .text, .binary, .continuation: context.fireChannelRead(wrapInboundOut(frame.unmaskedData))
        case .ping:
            // A server that pings and does not read gets no pong, rather than have them pile up here.
            if context.channel.isWritable { write(.pong, frame.unmaskedData, context: context) }
        case .connectionClose: closed(frame.unmaskedData, context: context)
        default: break
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        context.write(wrapOutboundOut(Self.frame(.text, unwrapOutboundIn(data))), promise: promise)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard let error = error as? NIOWebSocketError else { return context.fireErrorCaught(error) }
        isClosing = true
        let code: WebSocketErrorCode = error == .invalidFrameLength ? .messageTooLarge : .protocolError
        var data = ByteBuffer()
        data.write(webSocketErrorCode: code)
        write(.connectionClose, data, context: context)
        context.fireErrorCaught(error)
    }

    /// RFC 6455, section 5.5.1: the same code goes back, then the server closes.
    private func closed(_ data: ByteBuffer, context: ChannelHandlerContext) {
        isClosing = true
        var rest = data
        let code = rest.readInteger(as: UInt16.self)
        write(.connectionClose, code.map { ByteBuffer(integer: $0) } ?? ByteBuffer(), context: context)
        context.fireUserInboundEventTriggered(Closed(code: code ?? Self.noCode, reason: String(buffer: rest)))
    }

    private func write(_ opcode: WebSocketOpcode, _ data: ByteBuffer, context: ChannelHandlerContext) {
        context.writeAndFlush(wrapOutboundOut(Self.frame(opcode, data)), promise: nil)
    }

    private static func frame(_ opcode: WebSocketOpcode, _ data: ByteBuffer) -> WebSocketFrame {
        WebSocketFrame(fin: true, opcode: opcode, maskKey: .random(), data: data)
    }
}
