/// A message as the outbox holds it at one time: which message, and the transaction that put it there.
///
/// `id` and `createdAtMicroseconds` tell the message from every other; `xid` tells whether it was put (back) into the
/// outbox since, as a replay and a refusal do.
public struct MessageStamp: Hashable, Sendable {
    public let id: MessageID
    /// The transaction that wrote the row of the outbox, or stamped it anew.
    public let xid: UInt64
    /// When the message was written, in Unix microseconds: a crash of PostgreSQL may have an id given out twice.
    public let createdAtMicroseconds: Int64

    public init(id: MessageID, xid: UInt64, createdAtMicroseconds: Int64) {
        self.id = id
        self.xid = xid
        self.createdAtMicroseconds = createdAtMicroseconds
    }
}
