import Bus
import CHiredis
import NIOCore

/// Turns the bytes of one connection into replies, by hiredis's reader.
///
/// hiredis calls `RESPBuilder` for each element, so no `redisReply` is made. The strings of one `read` are slices of
/// one buffer.
final class RESPReader {
    /// Bytes of an unfinished reply at most. Redis itself lets a string have 512 MiB; an envelope has 1 MiB by default.
    static let replyBytesMax = 16 * 1024 * 1024

    private let reader: UnsafeMutablePointer<redisReader>
    private let builder = RESPBuilder()

    init() throws(BusError) {
        guard let reader = redisReaderCreateWithFunctions(RESPBuilder.functions) else {
            throw BusError(.unavailable, "hiredis has no memory for a reader.")
        }
        reader.pointee.privdata = Unmanaged.passUnretained(builder).toOpaque()
        self.reader = reader
    }

    deinit {
        redisReaderFree(reader)
    }

    /// Takes the bytes of one read and answers with the replies that they complete.
    ///
    /// - Throws: `BusError` with `.protocolViolation`; the reader is of no use any more.
    func read(_ bytes: ByteBuffer) throws(BusError) -> [RESPValue] {
        builder.expect(bytes.readableBytes)
        var rest = bytes
        while let piece = rest.readSlice(length: min(Self.pieceBytes, rest.readableBytes)), piece.readableBytes > 0 {
            try feed(piece)
        }
        guard reader.pointee.len - reader.pointee.pos + builder.unfinishedBytes <= Self.replyBytesMax else {
            throw BusError(.protocolViolation, "Redis sent a reply of more than \(Self.replyBytesMax) bytes.")
        }
        return builder.takeReplies()
    }

    /// hiredis moves all that it has not yet read to the front, again for every kilobyte read: little at a time is
    /// cheaper. A hundred messages of one read cost half the instructions in pieces of this size.
    private static let pieceBytes = 4096

    private func feed(_ bytes: ByteBuffer) throws(BusError) {
        let status = bytes.withUnsafeReadableBytes { pointer in
            redisReaderFeed(reader, pointer.baseAddress?.assumingMemoryBound(to: CChar.self), pointer.count)
        }
        guard status == REDIS_OK else { throw failure() }
        while true {
            var reply: UnsafeMutableRawPointer?
            guard redisReaderGetReply(reader, &reply) == REDIS_OK else { throw failure() }
            guard reply != nil else { break }
            builder.replyCompleted()
        }
    }

    private func failure() -> BusError {
        let text = withUnsafeBytes(of: reader.pointee.errstr) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return BusError(.protocolViolation, "Redis sent something that is not its protocol (\(text)).")
    }
}
