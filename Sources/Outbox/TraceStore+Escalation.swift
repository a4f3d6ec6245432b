import BelfryModel
import Postgres

extension MessageFacts {
    /// That the application was told of it, or is to be: its row of `belfry.escalation`.
    public struct Escalated: Hashable, Sendable {
        public var state = ""
        public var reason: String?
        public var dueAt = 0.0
        /// Of one that waits.
        public var nextAt: Double?
        public var attempts = 0
        public var lastError: String?
        public var sentAt: Double?

        public init() {}
    }
}

extension TraceStore {
    /// What is known of a message's webhook.
    func escalation(
        _ id: MessageID, _ executor: any RelayStoreExecutor
    ) async throws(PostgresError) -> MessageFacts.Escalated? {
        let result = try await executor.execute(TraceEscalationStatements.escalation, [.int64(id.rawValue)])
        guard result.rowCount > 0 else { return nil }
        var escalated = MessageFacts.Escalated()
        escalated.state = result.string(0, 0)
        escalated.reason = result.optionalString(0, 1)
        escalated.dueAt = result.double(0, 2) ?? 0
        escalated.nextAt = result.double(0, 3)
        escalated.attempts = Int(result.int64(0, 4) ?? 0)
        escalated.lastError = result.optionalString(0, 5)
        escalated.sentAt = result.double(0, 6)
        return escalated
    }
}

/// Its statement.
enum TraceEscalationStatements {
    /// Plan: by primary key.
    static let escalation = PostgresStatement(
        "",
        """
        select e.state, e.reason, extract(epoch from e.due_at)::float8,
            case when e.state = 'waiting' then extract(epoch from e.next_at)::float8 end, e.attempts::bigint,
            e.last_error, extract(epoch from e.sent_at)::float8
        from belfry.escalation e where e.message_id = $1::bigint
        """)
}
