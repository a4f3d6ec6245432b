import BelfryModel
import Delivery
import NIOCore
import Outbox

/// Rows of the store's answer as a page for one consumer.
struct StorePage: BacklogPage {
    let pages: BacklogPages
    /// The consumer's rows in it.
    let rows: Range<Int>
    let snapshot: TransactionSnapshot
    let isLast: Bool
    let allocator: ByteBufferAllocator

    var rowCount: Int { rows.count }

    func stamp(_ row: Int) -> MessageStamp { pages.stamp(rows.lowerBound + row) }

    func message(_ row: Int) -> Message { pages.message(rows.lowerBound + row, allocator: allocator) }
}

extension BacklogPages {
    /// - Parameter row: of the result.
    func stamp(_ row: Int) -> MessageStamp {
        MessageStamp(id: messageID(row), xid: xid(row), createdAtMicroseconds: createdAtMicroseconds(row))
    }

    /// Copies a row of the result.
    func message(_ row: Int, allocator: ByteBufferAllocator) -> Message {
        Message(
            stamp: stamp(row), expiresAtMilliseconds: nil, isRedelivered: isRedelivered(row),
            headerLines: withHeaderLines(row) { ByteBuffer(copying: $0, allocator) },
            body: withBody(row) { ByteBuffer(copying: $0, allocator) })
    }
}

extension ByteBuffer {
    fileprivate init(copying bytes: UnsafeRawBufferPointer, _ allocator: ByteBufferAllocator) {
        self = allocator.buffer(capacity: bytes.count)
        writeBytes(bytes)
    }
}
