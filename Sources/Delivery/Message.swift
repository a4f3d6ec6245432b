import BelfryModel
import NIOCore

/// One message on its way to sessions, from the bus or from the backlog.
public struct Message: Sendable {
    public let stamp: MessageStamp
    /// Not to be delivered from this time on: milliseconds since 1970.
    public let expiresAtMilliseconds: Int64?
    /// It may have been shown to a session of its user before.
    public let isRedelivered: Bool
    /// STOMP 1.2 escaped header lines, each ended by a line feed.
    public let headerLines: ByteBuffer
    /// JSON.
    public let body: ByteBuffer
    /// Whether both are UTF-8.
    public let isUTF8: Bool
    /// Whether it is noted what becomes of it.
    public let tracing: Tracing
    /// Whether it has memory of its own.
    private let isKept: Bool

    /// Whether it is noted what becomes of a message.
    public enum Tracing: Sendable {
        case yes, no
        /// It was not asked yet.
        case undecided
    }

    public init(
        stamp: MessageStamp, expiresAtMilliseconds: Int64?, isRedelivered: Bool, headerLines: ByteBuffer,
        body: ByteBuffer, tracing: Tracing = .undecided
    ) {
        self.stamp = stamp
        self.expiresAtMilliseconds = expiresAtMilliseconds
        self.isRedelivered = isRedelivered
        self.headerLines = headerLines
        self.body = body
        self.isUTF8 =
            body.withUnsafeReadableBytes(UTF8Validator.isValid)
            && headerLines.withUnsafeReadableBytes(UTF8Validator.isValid)
        self.tracing = tracing
        self.isKept = false
    }

    private init(keeping message: Message, headerLines: ByteBuffer, body: ByteBuffer) {
        stamp = message.stamp
        expiresAtMilliseconds = message.expiresAtMilliseconds
        isRedelivered = message.isRedelivered
        isUTF8 = message.isUTF8
        tracing = message.tracing
        self.headerLines = headerLines
        self.body = body
        isKept = true
    }

    public var id: MessageID { stamp.id }
    public var xid: UInt64 { stamp.xid }

    /// Bytes that it holds while it is kept.
    var keptBytes: Int { headerLines.readableBytes + body.readableBytes + 128 }

    /// Gives it memory of its own, unless it has some: what the bus brings is a slice of all that one read brought,
    /// which it would keep alive. Its copies share that memory.
    mutating func keep() {
        guard !isKept else { return }
        var bytes = ByteBufferAllocator().buffer(capacity: headerLines.readableBytes + body.readableBytes)
        bytes.writeImmutableBuffer(headerLines)
        bytes.writeImmutableBuffer(body)
        let headerLines = bytes.readSlice(length: headerLines.readableBytes) ?? ByteBuffer()
        self = Message(keeping: self, headerLines: headerLines, body: bytes)
    }

    /// Whether it has expired at `milliseconds` since 1970.
    public func isExpired(atMilliseconds milliseconds: Int64) -> Bool {
        guard let expiresAtMilliseconds else { return false }
        return expiresAtMilliseconds <= milliseconds
    }
}
