import NIOCore

/// Writes unmasked, unfragmented server frames (RFC 6455, section 5.2) into a buffer.
enum WebSocketFrameWriter {
    /// Bytes of a frame's header at most, without a mask.
    static let headerBytesMax = 10

    private static let final: UInt8 = 0x80
    private static let compressed: UInt8 = 0x40
    static let text: UInt8 = 0x1
    static let binary: UInt8 = 0x2
    static let close: UInt8 = 0x8
    static let pong: UInt8 = 0xA

    /// Writes the header of a frame whose payload of `length` bytes follows, compressed or not.
    static func writeHeader(opcode: UInt8, isCompressed: Bool = false, length: Int, into buffer: inout ByteBuffer) {
        buffer.writeInteger(final | (isCompressed ? compressed : 0) | opcode)
        if length < 126 {
            buffer.writeInteger(UInt8(length))
        } else if length <= UInt16.max {
            buffer.writeMultipleIntegers(UInt8(126), UInt16(length))
        } else {
            buffer.writeMultipleIntegers(UInt8(127), UInt64(length))
        }
    }

    /// Writes a Close frame; `reason` is cut to the 123 bytes that a control frame has room for, between characters.
    static func writeClose(code: UInt16?, reason: String, into buffer: inout ByteBuffer) {
        guard let code else {
            writeHeader(opcode: close, length: 0, into: &buffer)
            return
        }
        var bytes = reason.utf8.prefix(123)
        // RFC 6455, section 5.5.1: it must be UTF-8.
        while bytes.endIndex.samePosition(in: reason.unicodeScalars) == nil { bytes.removeLast() }
        writeHeader(opcode: close, length: 2 + bytes.count, into: &buffer)
        buffer.writeInteger(code)
        buffer.writeBytes(bytes)
    }

    /// Writes a Pong with the bytes of the ping that it answers.
    static func writePong(_ payload: ByteBuffer, into buffer: inout ByteBuffer) {
        writeHeader(opcode: pong, length: payload.readableBytes, into: &buffer)
        buffer.writeImmutableBuffer(payload)
    }
}
