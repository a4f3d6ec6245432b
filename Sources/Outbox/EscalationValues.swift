import Postgres

/// A rule: messages of a type that are undelivered for so long are told to the application.
public struct EscalationRule: Sendable, Hashable {
    public let type: String
    public let afterSeconds: Int
    public let url: String
    /// False when the application has answered 410 Gone.
    public let isEnabled: Bool
    /// Why the relay sends nothing by it.
    public let problem: String?
    /// Messages that wait for their webhook to be accepted, among the newest 10,000 that wait.
    public let waiting: Int
    /// Webhooks that were given up and can be tried again, among the newest 10,000.
    public let givenUp: Int
    /// Since the rule was made.
    public let sentInAll: Int
    public let withdrawnInAll: Int
    public let givenUpInAll: Int
    public let lastError: String?
    /// How long no try has succeeded; `nil` when the last one did.
    public let failingSeconds: Double?
    /// The whole as a JSON object.
    public let json: String

    init(_ result: PostgresResult, row: Int) {
        func count(_ column: Int) -> Int { Int(result.int64(row, column) ?? 0) }
        type = result.string(row, 0)
        afterSeconds = count(1)
        url = result.string(row, 2)
        isEnabled = result.bool(row, 3)
        problem = result.optionalString(row, 4)
        waiting = count(5)
        givenUp = count(6)
        sentInAll = count(7)
        withdrawnInAll = count(8)
        givenUpInAll = count(9)
        lastError = result.optionalString(row, 10)
        failingSeconds = result.double(row, 11)
        json = result.string(row, 12)
    }
}

/// A message that the application was told of, or is to be.
public struct Escalation: Sendable, Hashable {
    /// What became of it. A schema newer than this program may have others.
    public enum State: String, Sendable, CaseIterable {
        case waiting, sent, failed, withdrawn
    }

    public let messageID: Int64
    public let type: String
    public let state: State
    /// Why it is in this state, where there is more to say.
    public let reason: String?
    public let attempts: Int
    public let lastError: String?
    /// Until the next try; negative when it is overdue.
    public let nextSeconds: Double?
    /// A relay sends it just now.
    public let isUnderWay: Bool
    /// The whole as a JSON object.
    public let json: String

    init?(_ result: PostgresResult, row: Int) {
        guard let id = result.int64(row, 0), let state = State(rawValue: result.string(row, 2)) else { return nil }
        messageID = id
        self.state = state
        type = result.string(row, 1)
        reason = result.optionalString(row, 3)
        attempts = Int(result.int64(row, 4) ?? 0)
        lastError = result.optionalString(row, 5)
        nextSeconds = result.double(row, 6)
        isUnderWay = result.bool(row, 7)
        json = result.string(row, 8)
    }
}
