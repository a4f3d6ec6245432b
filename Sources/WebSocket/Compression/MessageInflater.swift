import BelfryModel
import CZlib
import NIOCore

/// Inflates one compressed message after another (RFC 7692, section 7.2.2), a piece at a time, so that a small message
/// that inflates to much costs no more than is asked for. Used on one event loop.
final class MessageInflater {
    /// What comes out.
    enum Piece: Equatable {
        /// Bytes of the message; none when more of it must be fed.
        case bytes(ByteBuffer)
        /// Its last bytes, if any are left. The next message may begin.
        case end(ByteBuffer)
        /// The peer's bytes are not what DEFLATE makes, or there is no memory.
        case failed(CloseReason)
    }

    /// Bytes of a piece at most.
    static let pieceBytesMax = 16 * 1024
    /// What a sender cuts off each message.
    private static let tail = ByteBuffer(bytes: [0x00, 0x00, 0xFF, 0xFF])

    private let stream: UnsafeMutablePointer<z_stream>
    /// Where pieces are made; shared by all of an event loop.
    private let scratch: UnsafeMutableRawBufferPointer
    private var input = ByteBuffer()
    private var isLast = false
    private var isTailFed = false
    /// The message has come without a byte so far.
    private var isEmpty = true
    /// The last piece was a full one: there may be more without further input.
    private var mayHoldOutput = false
    /// What is wrong with the bytes behind those that the last piece was made of.
    private var failure: CloseReason?

    /// - Parameter scratch: of `pieceBytesMax` bytes, which outlives the inflater.
    /// - Returns: `nil` when there is no memory.
    init?(scratch: UnsafeMutableRawBufferPointer) {
        self.scratch = scratch
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // Negative: raw DEFLATE. The largest window takes what any sender makes.
        guard inflateInit2_(stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK else {
            stream.deallocate()
            return nil
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Whether `next` would come to something.
    var hasInput: Bool { input.readableBytes > 0 || mayHoldOutput || isLast || failure != nil }

    /// Forgets the message that had begun: the next one owes nothing to those before, as is agreed by
    /// `client_no_context_takeover`.
    func reset() {
        inflateReset(stream)
        input = ByteBuffer()
        (isLast, isTailFed, isEmpty, mayHoldOutput, failure) = (false, false, true, false, nil)
    }

    /// Takes more of the message; call `next` while `hasInput` before feeding more.
    func feed(_ bytes: ByteBuffer, isLast: Bool) {
        input = bytes
        if bytes.readableBytes > 0 { isEmpty = false }
        self.isLast = isLast
    }

    /// The next piece of the message.
    func next() -> Piece {
        // Some senders flush without a byte what RFC 7692, section 7.2.3.6, has them write as one.
        if isLast, isEmpty { return .end(ByteBuffer()) }
        if let failure { return .failed(failure) }
        var count = 0
        while true {
            let (status, hasMoved) = run(&count)
            switch status {
            case Z_OK, Z_BUF_ERROR: break
            // A sender may end a block for good, and go on with another (section 7.2.3.4).
            case Z_STREAM_END: inflateResetKeep(stream)
            case Z_MEM_ERROR: return fail(.internalError, behind: count)
            default: return fail(.protocolViolation, behind: count)
            }
            mayHoldOutput = count == scratch.count
            if mayHoldOutput { return .bytes(piece(count)) }
            if input.readableBytes > 0 {
                guard hasMoved else { return fail(.internalError, behind: count) }
                continue
            }
            guard isLast else { return .bytes(piece(count)) }
            // Behind a final block nothing is missing. Otherwise there must be a block that the tail has ended.
            if status == Z_STREAM_END || isTailFed && stream.pointee.data_type & 128 != 0 { return .end(piece(count)) }
            guard !isTailFed else { return fail(.protocolViolation, behind: count) }
            isTailFed = true
            input = Self.tail
        }
    }

    /// What came before the fault is told first, as it would be had it come in a read of its own.
    private func fail(_ reason: CloseReason, behind count: Int) -> Piece {
        failure = reason
        return count > 0 ? .bytes(piece(count)) : .failed(reason)
    }

    /// Inflates what there is, into what is left of the scratch behind `count` bytes, which it adds to.
    ///
    /// - Returns: zlib's status, and whether it took or made a byte.
    private func run(_ count: inout Int) -> (status: Int32, hasMoved: Bool) {
        let (scratch, offset, stream) = (scratch, count, stream)
        let (status, taken, made) = input.withUnsafeReadableBytes { bytes -> (Int32, Int, Int) in
            // zlib does not write there.
            stream.pointee.next_in = UnsafeMutablePointer(
                mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
            stream.pointee.avail_in = UInt32(clamping: bytes.count)
            stream.pointee.next_out = scratch.baseAddress?.advanced(by: offset).assumingMemoryBound(to: UInt8.self)
            stream.pointee.avail_out = UInt32(clamping: scratch.count - offset)
            let (before, room) = (stream.pointee.avail_in, stream.pointee.avail_out)
            let status = CZlib.inflate(stream, Z_SYNC_FLUSH)
            return (status, Int(before - stream.pointee.avail_in), Int(room - stream.pointee.avail_out))
        }
        input.moveReaderIndex(forwardBy: taken)
        count += made
        return (status, taken + made > 0)
    }

    private func piece(_ count: Int) -> ByteBuffer {
        ByteBuffer(bytes: UnsafeRawBufferPointer(rebasing: scratch[..<count]))
    }
}
