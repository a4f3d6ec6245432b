import BelfryModel

/// The marks of an event loop that PostgreSQL has not committed: what they are of must not be forgotten.
public protocol UncommittedMarks: AnyObject {
    /// Asked for now and then, when something is about to be forgotten.
    var pending: PendingMarks { get }

    /// Whether the message was acknowledged or refused, and an application holds its row, whatever transaction stamped
    /// it since.
    ///
    /// - Parameter createdAtMicroseconds: when it was written; `nil` where that is not known.
    func holdsAnswer(_ id: MessageID, createdAtMicroseconds: Int64?) -> Bool

    /// Whether the message was given back, and an application holds its row.
    func holdsGivenBack(_ id: MessageID) -> Bool
}

/// Messages whose marks PostgreSQL has not committed.
public struct PendingMarks {
    /// Acknowledged or refused.
    public let answered: Set<MessageID>
    /// Given back by a session or a subscription that ended.
    public let handedBack: Set<MessageID>

    public init(answered: Set<MessageID> = [], handedBack: Set<MessageID> = []) {
        self.answered = answered
        self.handedBack = handedBack
    }
}
