import NIOCore
import NIOEmbedded
import NIOWebSocket
import Testing

@testable import BelfryClient

struct WebSocketClientHandlerTests {
    private let channel: EmbeddedChannel
    private let events = EventRecorder()

    private final class EventRecorder: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private(set) var closed: WebSocketClientHandler.Closed?
        private(set) var error: (any Error)?

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            closed = event as? WebSocketClientHandler.Closed
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { self.error = error }
    }

    init() throws {
        channel = EmbeddedChannel(handlers: [WebSocketClientHandler(), events])
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    private func receive(_ opcode: WebSocketOpcode, _ data: ByteBuffer, fin: Bool = true) throws {
        try channel.writeInbound(WebSocketFrame(fin: fin, opcode: opcode, data: data))
    }

    private func written() throws -> WebSocketFrame? { try channel.readOutbound(as: WebSocketFrame.self) }

    @Test func messagesAreAStreamOfBytesHoweverTheyAreCut() throws {
        try receive(.text, ByteBuffer(string: "a"), fin: false)
        try receive(.ping, ByteBuffer(string: "p"))
        try receive(.continuation, ByteBuffer(string: "b"))
        try receive(.binary, ByteBuffer(string: "c"))
        var text = ""
        while let bytes = try channel.readInbound(as: ByteBuffer.self) { text += String(buffer: bytes) }
        #expect(text == "abc")
        let pong = try written()
        #expect(pong?.opcode == .pong && pong.map { String(buffer: $0.data) } == "p")
        #expect(pong?.maskKey != nil, "RFC 6455, section 5.1: a client masks")
    }

    @Test func whatIsWrittenIsMaskedText() throws {
        channel.writeAndFlush(ByteBuffer(string: "SEND"), promise: nil)
        let frame = try written()
        #expect(frame?.opcode == .text && frame?.fin == true && frame?.maskKey != nil)
    }

    @Test func aServerThatDoesNotReadGetsNoPongs() throws {
        channel.isWritable = false
        for _ in 0..<1_000 { try receive(.ping, ByteBuffer(string: "p")) }
        #expect(try written() == nil)
    }

    @Test func aFarewellIsAnsweredAndTold() throws {
        var data = ByteBuffer(integer: UInt16(4002))
        data.writeString("The token has expired.")
        try receive(.connectionClose, data)
        #expect(events.closed?.code == 4002 && events.closed?.reason == "The token has expired.")
        let answer = try written()
        #expect(answer?.opcode == .connectionClose)
        #expect(answer.map { Array($0.data.readableBytesView) } == [0x0f, 0xa2])
        // Nothing counts after it.
        try receive(.text, ByteBuffer(string: "late"))
        #expect(try channel.readInbound(as: ByteBuffer.self) == nil)
    }

    @Test(arguments: [[], [0x0f]] as [[UInt8]])
    func aFarewellMayHaveNoCode(data: [UInt8]) throws {
        try receive(.connectionClose, ByteBuffer(bytes: data))
        #expect(events.closed?.code == 1005)
    }

    @Test(
        arguments: [
            (NIOWebSocketError.invalidFrameLength, 1009), (.fragmentedControlFrame, 1002),
            (.multiByteControlFrameLength, 1002),
        ] as [(NIOWebSocketError, UInt16)])
    func whatIsNoWebSocketIsToldToBothSides(error: NIOWebSocketError, code: UInt16) throws {
        channel.pipeline.fireErrorCaught(error)
        let frame = try written()
        #expect(frame?.opcode == .connectionClose)
        #expect(frame?.data.getInteger(at: 0, as: UInt16.self) == code)
        #expect(events.error as? NIOWebSocketError == error)
    }
}
