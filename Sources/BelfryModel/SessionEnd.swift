/// A session that has ended, or what a subscription left unacknowledged when it ended.
public struct SessionEnd: Hashable, Sendable {
    /// The session whose row goes; `nil` when there is none that is to go: the session goes on and only a subscription
    /// has ended, it never had a row, or its row is kept for marks that are not written yet.
    public let sessionID: String?
    /// Whether the row is known to be there: a statement that was to write it may have failed.
    public let isRowCertain: Bool
    public let receiver: String
    public var unacknowledged: [MessageID]

    public init(sessionID: String?, isRowCertain: Bool = true, receiver: String, unacknowledged: [MessageID]) {
        self.sessionID = sessionID
        self.isRowCertain = isRowCertain
        self.receiver = receiver
        self.unacknowledged = unacknowledged
    }
}
