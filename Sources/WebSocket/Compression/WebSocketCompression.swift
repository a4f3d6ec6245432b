import NIOCore

/// What compressing costs memory, once for all WebSockets of an event loop: since no message refers to one before it,
/// in either direction, a connection needs nothing of its own between two messages. Used on its event loop only.
public final class WebSocketCompression: @unchecked Sendable {
    /// What an operator chooses.
    public struct Options: Hashable, Sendable {
        /// zlib's, from 1 (fast) to 9 (small).
        public var level: Int
        /// Bytes of the smallest message that is compressed.
        public var messageBytesMin: Int

        public init(level: Int = 1, messageBytesMin: Int = 256) {
            self.level = level
            self.messageBytesMin = messageBytesMin
        }
    }

    /// How compression was agreed on for one WebSocket.
    public struct Agreed {
        let compression: WebSocketCompression
        let windowBits: Int

        /// - Parameter agreement: what the handshake said.
        public init(_ compression: WebSocketCompression, by agreement: PerMessageDeflate) {
            self.compression = compression
            windowBits = agreement.windowBits
        }
    }

    /// Inflaters that are kept for the next message; more are in use only while so many messages have come in part.
    private static let idleInflatersMax = 4
    /// zlib's memory level: of the hash table, which is cleared for each message, 8 KiB.
    private static let memoryLevel = 5
    /// Bytes of a message above which the memory that it took is given back.
    private static let scratchBytesMax = 256 * 1024

    private let options: Options
    /// By the bits of their window.
    private var deflaters: [Int: MessageDeflater] = [:]
    private var idleInflaters: [MessageInflater] = []
    private let inflated = UnsafeMutableRawBufferPointer.allocate(
        byteCount: MessageInflater.pieceBytesMax, alignment: 16)
    private var plain = ByteBuffer()
    private var deflated = ByteBuffer()

    public init(_ options: Options) { self.options = options }

    deinit { inflated.deallocate() }

    // MARK: Outward

    /// Whether a message of so many bytes is worth it.
    func compresses(_ byteCount: Int) -> Bool { byteCount >= options.messageBytesMin }

    /// Writes a message as a compressed frame, or as it is if that is shorter.
    ///
    /// - Parameters:
    ///   - byteCount: what `write` writes.
    ///   - windowBits: what was agreed for the peer.
    func writeMessage(
        opcode: UInt8, byteCount: Int, windowBits: Int, into buffer: inout ByteBuffer,
        _ write: (inout ByteBuffer) -> Void
    ) {
        plain.clear(minimumCapacity: byteCount)
        deflated.clear()
        write(&plain)
        let isShorter =
            deflater(windowBits)?.deflate(plain, into: &deflated) == true && deflated.readableBytes < byteCount
        let payload = isShorter ? deflated : plain
        WebSocketFrameWriter.writeHeader(
            opcode: opcode, isCompressed: isShorter, length: payload.readableBytes, into: &buffer)
        buffer.writeImmutableBuffer(payload)
        if byteCount > Self.scratchBytesMax { (plain, deflated) = (ByteBuffer(), ByteBuffer()) }
    }

    private func deflater(_ windowBits: Int) -> MessageDeflater? {
        if let deflater = deflaters[windowBits] { return deflater }
        let deflater = MessageDeflater(level: options.level, windowBits: windowBits, memoryLevel: Self.memoryLevel)
        deflaters[windowBits] = deflater
        return deflater
    }

    // MARK: Inward

    /// One for the next message; `nil` when there is no memory.
    func takeInflater() -> MessageInflater? { idleInflaters.popLast() ?? MessageInflater(scratch: inflated) }

    /// Its message has come to its end, or is of no interest any more.
    func giveBack(_ inflater: MessageInflater) {
        guard idleInflaters.count < Self.idleInflatersMax else { return }
        inflater.reset()
        idleInflaters.append(inflater)
    }
}
