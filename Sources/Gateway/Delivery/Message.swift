import BelfryModel
import Bus
import NIOCore
import Outbox

/// One message on its way to sessions, from the bus or from the backlog.
struct Message {
    let id: MessageID
    /// The transaction that put it (or last put it back) into the outbox; with `id`, the key of repeats.
    let xid: UInt64
    /// Not to be delivered from this time on: milliseconds since 1970.
    let expiresAtMilliseconds: Int64?
    let isRedelivered: Bool
    let headerLines: ByteBuffer
    let body: ByteBuffer
    /// Headers and body are UTF-8, so the frame may be a text message.
    let isText: Bool

    init(
        id: MessageID, xid: UInt64, expiresAtMilliseconds: Int64?, isRedelivered: Bool, headerLines: ByteBuffer,
        body: ByteBuffer
    ) {
        self.id = id
        self.xid = xid
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
            id: pages.messageID(row), xid: pages.xid(row), expiresAtMilliseconds: nil,
            isRedelivered: pages.isRedelivered(row),
            headerLines: pages.withHeaderLines(row) { ByteBuffer(copying: $0, allocator) },
            body: pages.withBody(row) { ByteBuffer(copying: $0, allocator) })
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
