import NIOCore

/// What is written to a peer between two flushes: messages, compressed where that was agreed and is worth it, answers
/// to pings, and a Close.
struct WebSocketOutput {
    /// Pings between two flushes that are answered each for itself; of further ones the last is (RFC 6455, section
    /// 5.5.3).
    private static let pongsMax = 16

    private let compression: WebSocketCompression.Agreed?
    private var buffer = ByteBuffer()
    /// Pings answered since the last flush, and the latest of those that were too many.
    private var pongs = 0
    private var latePing: ByteBuffer?

    init(compression: WebSocketCompression.Agreed?) { self.compression = compression }

    /// Bytes that wait for the next flush.
    var byteCount: Int { buffer.readableBytes }

    /// Appends a message of exactly `byteCount` bytes, which `write` writes.
    mutating func append(byteCount: Int, isText: Bool, _ write: (inout ByteBuffer) -> Void) {
        let opcode = isText ? WebSocketFrameWriter.text : WebSocketFrameWriter.binary
        if let compression, compression.compression.compresses(byteCount) {
            return compression.compression.writeMessage(
                opcode: opcode, byteCount: byteCount, windowBits: compression.windowBits, into: &buffer, write)
        }
        buffer.reserveCapacity(minimumWritableBytes: WebSocketFrameWriter.headerBytesMax + byteCount)
        WebSocketFrameWriter.writeHeader(opcode: opcode, length: byteCount, into: &buffer)
        write(&buffer)
    }

    /// Appends the answer to a ping.
    mutating func appendPong(_ payload: ByteBuffer) {
        if pongs < Self.pongsMax {
            WebSocketFrameWriter.writePong(payload, into: &buffer)
            pongs += 1
        } else {
            latePing = payload
        }
    }

    /// Appends a Close frame; see `WebSocketFrameWriter.writeClose`.
    mutating func appendClose(code: UInt16?, reason: String) {
        WebSocketFrameWriter.writeClose(code: code, reason: reason, into: &buffer)
    }

    /// Takes what has been appended; `nil` when that is nothing. The channel keeps the buffer until the socket took it;
    /// a new one is made by the next append.
    ///
    /// - Parameter isOpen: no Close was sent: nothing may follow one.
    mutating func take(isOpen: Bool) -> ByteBuffer? {
        if let ping = latePing, isOpen { WebSocketFrameWriter.writePong(ping, into: &buffer) }
        latePing = nil
        pongs = 0
        return buffer.readableBytes > 0 ? exchange(&buffer, with: ByteBuffer()) : nil
    }
}
