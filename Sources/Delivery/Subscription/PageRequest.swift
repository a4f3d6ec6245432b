import BelfryModel

/// A page of a backlog that is to be asked for.
public struct PageRequest: Equatable, Sendable {
    /// Rows with greater ids only.
    public let after: MessageID
    /// Rows that it sees only; `nil` on a reading's first page, whose answer brings the snapshot.
    public let snapshot: TransactionSnapshot?
    /// Rows that it does not see only: an earlier reading brought the others.
    public let covered: TransactionSnapshot?
    /// It begins a reading that is to tell first how much is unread, under the same snapshot.
    public let wantsCount: Bool
    /// To be given back with the answer: an answer to a request that has been overtaken is ignored.
    public let generation: Int

    public init(
        after: MessageID, snapshot: TransactionSnapshot?, covered: TransactionSnapshot?, wantsCount: Bool = false,
        generation: Int
    ) {
        self.after = after
        self.snapshot = snapshot
        self.covered = covered
        self.wantsCount = wantsCount
        self.generation = generation
    }
}
