import CZlib
import NIOCore

/// Compresses messages, each by itself (RFC 7692, section 7.2.1). Used on one event loop.
final class MessageDeflater {
    private let stream: UnsafeMutablePointer<z_stream>

    /// - Parameters:
    ///   - level: zlib's, from 1 (fast) to 9 (small).
    ///   - windowBits: how far back a message may refer, as a power of two: from 9 to 15.
    ///   - memoryLevel: zlib's, from 1 to 9.
    /// - Returns: `nil` when there is no memory.
    init?(level: Int, windowBits: Int, memoryLevel: Int) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        let status = deflateInit2_(
            stream, Int32(level), Z_DEFLATED, -Int32(windowBits), Int32(memoryLevel), Z_DEFAULT_STRATEGY, ZLIB_VERSION,
            Int32(MemoryLayout<z_stream>.size))
        guard status == Z_OK else {
            stream.deallocate()
            return nil
        }
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    /// Appends to `output` what a compressed message holds.
    ///
    /// - Returns: `false` when zlib fails; then `output` is as it was.
    func deflate(_ message: ByteBuffer, into output: inout ByteBuffer) -> Bool {
        let start = output.writerIndex
        deflateReset(stream)
        let stream = stream
        let isDone = message.withUnsafeReadableBytes { bytes in
            // zlib does not write there.
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
            stream.pointee.avail_in = UInt32(clamping: bytes.count)
            var isDone = true
            repeat {
                // Mostly enough at once; a sync flush says that it is through by leaving some of it.
                output.writeWithUnsafeMutableBytes(minimumWritableBytes: bytes.count + 64) { room in
                    stream.pointee.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
                    let before = UInt32(clamping: room.count)
                    stream.pointee.avail_out = before
                    isDone = CZlib.deflate(stream, Z_SYNC_FLUSH) == Z_OK
                    return Int(before - stream.pointee.avail_out)
                }
            } while isDone && stream.pointee.avail_out == 0
            return isDone && stream.pointee.avail_in == 0
        }
        let tail = output.getInteger(at: output.writerIndex - 4, as: UInt32.self)
        guard isDone, output.writerIndex - start > 4, tail == 0x0000_FFFF else {
            output.moveWriterIndex(to: start)
            return false
        }
        output.moveWriterIndex(to: output.writerIndex - 4)
        return true
    }
}
