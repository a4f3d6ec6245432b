import NIOCore
import Testing

@testable import WebSocket

@Suite("WebSocketFrameWriter")
struct WebSocketFrameWriterTests {
    private static func header(_ length: Int, opcode: UInt8 = WebSocketFrameWriter.text) -> [UInt8] {
        var buffer = ByteBuffer()
        WebSocketFrameWriter.writeHeader(opcode: opcode, length: length, into: &buffer)
        return Array(buffer.readableBytesView)
    }

    /// RFC 6455, section 5.2: 7, 16 or 64 bits, the shortest that does.
    @Test("The length takes as few bytes as it can")
    func lengths() {
        #expect(Self.header(0) == [0x81, 0])
        #expect(Self.header(125) == [0x81, 125])
        #expect(Self.header(126) == [0x81, 126, 0, 126])
        #expect(Self.header(127) == [0x81, 126, 0, 127])
        #expect(Self.header(65_535) == [0x81, 126, 0xFF, 0xFF])
        #expect(Self.header(65_536) == [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0])
        #expect(Self.header(1 << 33) == [0x81, 127, 0, 0, 0, 2, 0, 0, 0, 0])
        for length in [0, 125, 126, 65_535, 65_536, 1 << 40] {
            #expect(Self.header(length).count <= WebSocketFrameWriter.headerBytesMax)
        }
    }

    @Test("The first byte is FIN and the opcode")
    func opcodes() {
        #expect(Self.header(1, opcode: WebSocketFrameWriter.binary)[0] == 0x82)
        #expect(Self.header(1, opcode: WebSocketFrameWriter.close)[0] == 0x88)
        #expect(Self.header(1, opcode: WebSocketFrameWriter.pong)[0] == 0x8A)
    }

    private static func close(_ code: UInt16?, _ reason: String) -> [UInt8] {
        var buffer = ByteBuffer()
        WebSocketFrameWriter.writeClose(code: code, reason: reason, into: &buffer)
        return Array(buffer.readableBytesView)
    }

    @Test("A Close frame holds the code and the reason, or nothing")
    func close() {
        #expect(Self.close(nil, "unused") == [0x88, 0])
        #expect(Self.close(1000, "") == [0x88, 2, 0x03, 0xE8])
        #expect(Self.close(4008, "é") == [0x88, 4, 0x0F, 0xA8, 0xC3, 0xA9])
    }

    @Test("A reason too long for a control frame is cut, and stays UTF-8", arguments: ["a", "é", "€", "😀", "a€"])
    func longReason(_ piece: String) {
        for count in [122, 123, 124, 200] {
            let frame = Self.close(1000, String(repeating: piece, count: count))
            #expect(frame.count == 2 + Int(frame[1]))
            #expect(frame[1] <= 125)
            #expect(frame[1] > 120)
            #expect(String(validating: frame[4...], as: UTF8.self) != nil)
        }
    }

    @Test("A Pong has the bytes of the Ping")
    func pong() {
        var buffer = ByteBuffer()
        WebSocketFrameWriter.writePong(ByteBuffer(bytes: [1, 2, 3]), into: &buffer)
        #expect(Array(buffer.readableBytesView) == [0x8A, 3, 1, 2, 3])
    }
}
