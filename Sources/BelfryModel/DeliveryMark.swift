/// A message that a client acknowledged or refused. It is told from every other by id, receiver and time of writing; a
/// refusal, which must count once for each time that it was published, by id, receiver and transaction id.
public struct DeliveryMark: Hashable, Sendable {
    public let id: MessageID
    /// The user; empty for a broadcast.
    public let receiver: String
    /// The transaction id under which it was handed out.
    public let xid: UInt64
    /// When the row of the log was written, in Unix microseconds.
    public let createdAtMicroseconds: Int64

    public init(id: MessageID, receiver: String, xid: UInt64, createdAtMicroseconds: Int64) {
        self.id = id
        self.receiver = receiver
        self.xid = xid
        self.createdAtMicroseconds = createdAtMicroseconds
    }

    /// - Parameter receiver: the user; empty for a broadcast.
    public init(_ stamp: MessageStamp, receiver: String) {
        self.init(
            id: stamp.id, receiver: receiver, xid: stamp.xid, createdAtMicroseconds: stamp.createdAtMicroseconds)
    }
}
