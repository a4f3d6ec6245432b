/// How long messages are kept in the log, by type and status. What no rule names is kept for ever, and so is what is
/// pending.
public struct RetentionPolicy: Hashable, Sendable {
    /// What may be deleted: every status but `pending`.
    public enum Status: String, Hashable, Sendable, CaseIterable {
        case delivered, expired, cancelled, parked
    }

    /// A rule for messages of a type, or of all.
    public struct Rule: Hashable, Sendable {
        /// A notification type's name; `nil` for all.
        public var type: String?
        /// `nil` for all of them.
        public var status: Status?
        /// Since the delivery, or else since the message was written; `nil` for ever.
        public var age: Duration?

        public init(type: String? = nil, status: Status? = nil, age: Duration?) {
            self.type = type
            self.status = status
            self.age = age
        }
    }

    /// The least and the most that a rule may say.
    public static let ages: ClosedRange<Duration> = .seconds(3_600)...(.seconds(36_500 * 86_400))

    /// For all types.
    public var byStatus: [Status: Duration] = [:]
    /// For one type each. They go before those for all types, and one with a status before one without.
    public var byType: [Rule] = []
    /// Of what operators did, and of replay jobs that are over; `nil` for ever.
    public var acts: Duration?
    /// Rows of the log that are looked at in a second.
    public var rowsPerSecondMax = 2_000

    public init() {}

    /// Whether every message is kept.
    public var keepsAllMessages: Bool { !rules.contains { $0.age != nil } }

    /// All rules.
    public var rules: [Rule] {
        byType + Status.allCases.compactMap { status in byStatus[status].map { Rule(status: status, age: $0) } }
    }

    /// - Returns: the age for all types; as a property, so that settings have a path to it.
    public subscript(status: Status) -> Duration? {
        get { byStatus[status] }
        set { byStatus[status] = newValue }
    }
}
