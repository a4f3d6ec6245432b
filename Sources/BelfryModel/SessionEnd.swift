/// A session that has ended, or what a subscription left unacknowledged when it ended.
public struct SessionEnd: Hashable, Sendable {
    /// `nil` when the session goes on and only a subscription has ended.
    public let sessionID: String?
    public let receiver: String
    public var unacknowledged: [MessageID]

    public init(sessionID: String?, receiver: String, unacknowledged: [MessageID]) {
        self.sessionID = sessionID
        self.receiver = receiver
        self.unacknowledged = unacknowledged
    }
}
