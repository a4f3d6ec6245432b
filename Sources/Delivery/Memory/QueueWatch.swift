import BelfryModel

/// Which rows of a user's outbox a look found lacking at his sessions, so that what the bus lost can be told from what
/// it is about to bring: a row that two looks find lacking was missed. Pure; fed with what reconcile lists.
public struct QueueWatch {
    /// Lacking at the last look.
    public private(set) var suspects: Set<MessageID> = []

    public init() {}

    /// A look into the outbox has listed these rows of the user's.
    ///
    /// - Parameter isLacking: whether a session of the user's lacks a row: see `DeliveryMachine.lacks`.
    /// - Returns: the rows that were missed: all that are lacking while the bus is away, else those that were at the
    ///   last look.
    public mutating func listed(
        _ rows: [MessageStamp], isBusAvailable: Bool, isLacking: (MessageStamp) -> Bool
    ) -> [MessageStamp] {
        let lacking = rows.filter(isLacking)
        let earlier = suspects
        suspects = Set(lacking.lazy.map(\.id))
        return isBusAvailable ? lacking.filter { earlier.contains($0.id) } : lacking
    }
}
