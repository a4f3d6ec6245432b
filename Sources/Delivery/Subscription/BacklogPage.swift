import BelfryModel

/// A page of a backlog, as PostgreSQL answered a `PageRequest`; its rows are looked at one by one, as most messages of
/// a late page need not be made.
public protocol BacklogPage {
    var rowCount: Int { get }
    /// The snapshot under which the page was read.
    var snapshot: TransactionSnapshot { get }
    /// Whether no row follows under the same snapshot.
    var isLast: Bool { get }
    /// - Parameter row: from 0.
    func stamp(_ row: Int) -> MessageStamp
    func message(_ row: Int) -> Message
}
