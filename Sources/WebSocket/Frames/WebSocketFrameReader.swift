import NIOCore
import NIOWebSocket
import STOMP

/// Cuts a client's bytes, however they are split, into WebSocket frames, and unmasks them (RFC 6455, section 5.2).
///
/// Of a data frame that has not come whole it hands over what there is: it holds no more than a header or a control
/// frame until the next read, and text that is no text is found out as soon as it comes.
///
/// NIO's `WebSocketFrameDecoder` does the same as a handler of its own, with a buffer, two objects and a copy of the
/// payload a frame: it took a quarter of the time of reading a heart-beat, and half a kilobyte a session.
struct WebSocketFrameReader {
    /// What is wrong with a frame's header. Nothing can be read after it.
    enum Failure: Error {
        case tooLong
        /// A control frame that is fragmented or longer than 125 bytes.
        case controlFrame
        /// A length that is not written in the fewest bytes, or above 2^63 - 1.
        case length
    }

    private let payloadBytesMax: Int
    /// Bytes that have not been handed over.
    private var pending = ByteBuffer()
    /// The data frame that has come in part.
    private var open: Header?

    /// - Parameter payloadBytesMax: the bound of one frame's payload.
    init(payloadBytesMax: Int) { self.payloadBytesMax = payloadBytesMax }

    /// Takes what one read brought. Call `next` until it returns `nil` before feeding more, so that no more than a
    /// header is held.
    mutating func feed(_ bytes: ByteBuffer) {
        if pending.readableBytes == 0 {
            pending = bytes
        } else {
            pending.discardReadBytes()
            pending.writeImmutableBuffer(bytes)
        }
    }

    /// The next frame, or what has come of it; `nil` when more bytes are needed.
    mutating func next() throws(Failure) -> ClientFramePart? {
        if let header = open { return part(of: header, isFirst: false) }
        guard let header = try header() else {
            pending.releaseSpareStorage()
            return nil
        }
        // Control frames are short, and their receiver wants them whole.
        if header.isControl, pending.readableBytes < header.byteCount + header.payloadBytes {
            pending.releaseSpareStorage()
            return nil
        }
        pending.moveReaderIndex(forwardBy: header.byteCount)
        return part(of: header, isFirst: true)
    }

    /// A frame's header; of one that has come in part, what is still to come of it.
    private struct Header {
        let firstByte: UInt8
        let byteCount: Int
        var payloadBytes: Int
        /// In the order of its bytes in memory.
        var mask: UInt32?

        var isControl: Bool { firstByte & 0x08 != 0 }

        /// `count` bytes of the payload were taken, fewer than all.
        mutating func advance(_ count: Int) {
            payloadBytes -= count
            guard let mask else { return }
            let bits = UInt32(count % 4) * 8
            let key = UInt32(littleEndian: mask)
            self.mask = (key >> bits | key << (32 - bits)).littleEndian
        }
    }

    /// What there is of a frame, all of it or not; `nil` when that is nothing.
    private mutating func part(of header: Header, isFirst: Bool) -> ClientFramePart? {
        let count = min(header.payloadBytes, pending.readableBytes)
        let isLast = count == header.payloadBytes
        open = nil
        if !isLast {
            var rest = header
            rest.advance(count)
            open = rest
            if count == 0, !isFirst {
                pending.releaseSpareStorage()
                return nil
            }
        }
        let payload = payload(count, mask: header.mask ?? 0)
        pending.moveReaderIndex(forwardBy: count)
        return ClientFramePart(
            firstByte: header.firstByte, isMasked: header.mask != nil, isFirst: isFirst, isLast: isLast,
            payload: payload)
    }

    /// The header at the front of `pending`; `nil` when it is not all there.
    private func header() throws(Failure) -> Header? {
        let start = pending.readerIndex
        guard let (first, second) = pending.getMultipleIntegers(at: start, as: (UInt8, UInt8).self) else { return nil }
        var byteCount = 2
        var length = UInt64(second & 0x7F)
        if length == 126 {
            guard let longer = pending.getInteger(at: start + byteCount, as: UInt16.self) else { return nil }
            guard longer > 125 else { throw .length }
            length = UInt64(longer)
            byteCount += 2
        } else if length == 127 {
            guard let longer = pending.getInteger(at: start + byteCount, as: UInt64.self) else { return nil }
            guard longer > UInt16.max, longer <= Int64.max else { throw .length }
            length = longer
            byteCount += 8
        }
        let isControl = first & 0x08 != 0
        if isControl, length > 125 || first & 0x80 == 0 { throw .controlFrame }
        guard length <= payloadBytesMax else { throw .tooLong }
        guard second & 0x80 != 0 else {
            return Header(firstByte: first, byteCount: byteCount, payloadBytes: Int(length), mask: nil)
        }
        guard let mask = pending.getInteger(at: start + byteCount, endianness: .host, as: UInt32.self) else {
            return nil
        }
        return Header(firstByte: first, byteCount: byteCount + 4, payloadBytes: Int(length), mask: mask)
    }

    /// The first `count` bytes of `pending`, unmasked, in a buffer of their own: the one that was read goes back to the
    /// channel.
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
