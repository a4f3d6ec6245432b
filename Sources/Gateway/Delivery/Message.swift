import BelfryModel
import Bus
import NIOCore
import Outbox

/// One message on its way to sessions, from the bus or from the backlog.
struct Message {
    let id: MessageID
    /// The transaction that put it (or last put it back) into the outbox: a higher one tells a message that is sent again.
    let xid: UInt64
    /// When it was written, in Unix microseconds; with `id` it tells the message from every other.
    let createdAtMicroseconds: Int64
    /// Not to be delivered from this time on: milliseconds since 1970.
    let expiresAtMilliseconds: Int64?
    let isRedelivered: Bool
    let headerLines: ByteBuffer
    let body: ByteBuffer
    /// Headers and body are UTF-8, so the frame may be a text message.
    let isText: Bool

    init(
        id: MessageID, xid: UInt64, createdAtMicroseconds: Int64, expiresAtMilliseconds: Int64?, isRedelivered: Bool,
        headerLines: ByteBuffer, body: ByteBuffer
    ) {
        self.id = id
        self.xid = xid
        self.createdAtMicroseconds = createdAtMicroseconds
        self.expiresAtMilliseconds = expiresAtMilliseconds
        self.isRedelivered = isRedelivered
        self.headerLines = headerLines
        self.body = body
        self.isText =
            body.withUnsafeReadableBytes(UTF8Validator.isValid)
            && headerLines.withUnsafeReadableBytes(UTF8Validator.isValid)
    }

    /// Copies a row of a backlog page.
    init(_ pages: BacklogPages, row: Int, allocator: ByteBufferAllocator) {
        self.init(
            id: pages.messageID(row), xid: pages.xid(row),
            createdAtMicroseconds: pages.createdAtMicroseconds(row), expiresAtMilliseconds: nil,
            isRedelivered: pages.isRedelivered(row),
            headerLines: pages.withHeaderLines(row) { ByteBuffer(copying: $0, allocator) },
            body: pages.withBody(row) { ByteBuffer(copying: $0, allocator) })
    }

    private init(copying message: Message, headerLines: ByteBuffer, body: ByteBuffer) {
        id = message.id
        xid = message.xid
        createdAtMicroseconds = message.createdAtMicroseconds
        expiresAtMilliseconds = message.expiresAtMilliseconds
        isRedelivered = message.isRedelivered
        isText = message.isText
        self.headerLines = headerLines
        self.body = body
    }

    /// Bytes that it holds while it is kept.
    var keptBytes: Int { headerLines.readableBytes + body.readableBytes + 128 }

    /// The same in memory of its own: what the bus brings is a slice of all that one read brought, which it would keep alive.
    func kept() -> Message {
        var bytes = ByteBufferAllocator().buffer(capacity: headerLines.readableBytes + body.readableBytes)
        bytes.writeImmutableBuffer(headerLines)
        bytes.writeImmutableBuffer(body)
        let headerLines = bytes.readSlice(length: headerLines.readableBytes) ?? ByteBuffer()
        return Message(copying: self, headerLines: headerLines, body: bytes)
    }

    /// Whether it has expired at `milliseconds` since 1970.
    func isExpired(atMilliseconds milliseconds: Int64) -> Bool {
        guard let expiresAtMilliseconds else { return false }
        return expiresAtMilliseconds <= milliseconds
    }
}

extension ByteBuffer {
    fileprivate init(copying bytes: UnsafeRawBufferPointer, _ allocator: ByteBufferAllocator) {
        self = allocator.buffer(capacity: bytes.count)
        writeBytes(bytes)
    }
}
