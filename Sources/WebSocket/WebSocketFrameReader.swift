import NIOCore
import NIOWebSocket
import STOMP

/// A frame of a client (RFC 6455, section 5.2), its payload unmasked.
struct ClientFrame {
    /// FIN, the three reserved bits, and the opcode.
    let firstByte: UInt8
    let isMasked: Bool
    let payload: ByteBuffer

    var isFinal: Bool { firstByte & 0x80 != 0 }
    var hasReservedBits: Bool { firstByte & 0x70 != 0 }
    /// `nil` for the reserved ones.
    var opcode: WebSocketOpcode? { WebSocketOpcode(encodedWebSocketOpcode: firstByte & 0x0F) }
}

/// Cuts a client's bytes, however they are split, into WebSocket frames, and unmasks them (RFC 6455, section 5.2).
///
/// NIO's `WebSocketFrameDecoder` does the same as a handler of its own, with a buffer, two objects and a copy of the
/// payload a frame: it took a quarter of the time of reading a heart-beat, and half a kilobyte a session.
struct WebSocketFrameReader {
    /// What is wrong with a frame's header. Nothing can be read after it.
    enum Failure: Error {
        case tooLong
        /// A control frame that is fragmented or longer than 125 bytes.
        case controlFrame
    }

    private let payloadBytesMax: Int
    /// Bytes that are no whole frame yet.
    private var pending = ByteBuffer()

    /// - Parameter payloadBytesMax: the bound of one frame's payload.
    init(payloadBytesMax: Int) { self.payloadBytesMax = payloadBytesMax }

    /// Takes what one read brought. Call `next` until it returns `nil` before feeding more, so that no more than one
    /// unfinished frame is held.
    mutating func feed(_ bytes: ByteBuffer) {
        if pending.readableBytes == 0 {
            pending = bytes
        } else {
            pending.discardReadBytes()
            pending.writeImmutableBuffer(bytes)
        }
    }

    /// The next whole frame; `nil` when more bytes are needed.
    mutating func next() throws(Failure) -> ClientFrame? {
        guard let header = try header(), pending.readableBytes >= header.byteCount + header.payloadBytes else {
            pending.releaseSpareStorage()
            return nil
        }
        let mask = header.mask
        pending.moveReaderIndex(forwardBy: header.byteCount)
        let payload = payload(header.payloadBytes, mask: mask ?? 0)
        pending.moveReaderIndex(forwardBy: header.payloadBytes)
        return ClientFrame(firstByte: header.firstByte, isMasked: mask != nil, payload: payload)
    }

    private struct Header {
        let firstByte: UInt8
        let byteCount: Int
        let payloadBytes: Int
        let mask: UInt32?
    }

    /// The header at the front of `pending`; `nil` when it is not all there.
    private func header() throws(Failure) -> Header? {
        let start = pending.readerIndex
        guard let (first, second) = pending.getMultipleIntegers(at: start, as: (UInt8, UInt8).self) else { return nil }
        var byteCount = 2
        var length = UInt64(second & 0x7F)
        if length == 126 {
            guard let longer = pending.getInteger(at: start + byteCount, as: UInt16.self) else { return nil }
            length = UInt64(longer)
            byteCount += 2
        } else if length == 127 {
            guard let longer = pending.getInteger(at: start + byteCount, as: UInt64.self) else { return nil }
            length = longer
            byteCount += 8
        }
        guard length <= payloadBytesMax else { throw .tooLong }
        let isControl = first & 0x08 != 0
        if isControl, length > 125 || first & 0x80 == 0 { throw .controlFrame }
        guard second & 0x80 != 0 else {
            return Header(firstByte: first, byteCount: byteCount, payloadBytes: Int(length), mask: nil)
        }
        guard let mask = pending.getInteger(at: start + byteCount, endianness: .host, as: UInt32.self) else {
            return nil
        }
        return Header(firstByte: first, byteCount: byteCount + 4, payloadBytes: Int(length), mask: mask)
    }

    /// The first `count` bytes of `pending`, unmasked, in a buffer of their own: the one that was read goes back to the
    /// channel. `mask` is in the order of its bytes in memory.
    private func payload(_ count: Int, mask: UInt32) -> ByteBuffer {
        pending.withUnsafeReadableBytes { bytes in
            withUnsafeBytes(of: mask) { key in
                // A heart-beat, by far the most frequent frame, needs no memory.
                if count == 1, bytes[0] ^ key[0] == UInt8(ascii: "\n") { return FrameEncoder.heartBeat }
                var payload = ByteBuffer()
                payload.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { target in
                    let wideMask = UInt64(mask) << 32 | UInt64(mask)
                    var place = 0
                    while place + 8 <= count {
                        let word = bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)
                        target.storeBytes(of: word ^ wideMask, toByteOffset: place, as: UInt64.self)
                        place += 8
                    }
                    while place < count {
                        target[place] = bytes[place] ^ key[place % 4]
                        place += 1
                    }
                    return count
                }
                return payload
            }
        }
    }
}
