import Postgres

/// What the application is told of by webhooks: the rules, and what became of each message, for whoever makes rules and
/// looks after them.
///
/// Refusals by the schema come as `PostgresError`s with `.server`: SQLSTATE 22023 for values that are not possible,
/// 23503 for a type that is not registered, P0002 for one without a rule.
public struct EscalationStore: Sendable {
    /// Rows of a page at most.
    public static let pageMax = 1_000

    private let executor: any RelayStoreExecutor

    /// - Parameter executor: its role is in `belfry_operator` or `belfry_service`.
    public init(executor: any RelayStoreExecutor) { self.executor = executor }

    /// All rules, by type, with what waits and what was given up.
    public func rules() async throws(PostgresError) -> [EscalationRule] {
        let result = try await executor.execute(EscalationStatements.rules, [])
        return (0..<result.rowCount).map { EscalationRule(result, row: $0) }
    }

    /// A page of messages, the newest first.
    ///
    /// - Parameters:
    ///   - state: `nil` for all.
    ///   - type: `nil` for all; with it and a state, of those of the state that are looked at.
    ///   - before: the last id of the page before.
    public func page(
        state: Escalation.State? = nil, type: String? = nil, before: Int64? = nil, limit: Int
    ) async throws(PostgresError) -> [Escalation] {
        let statement = state == nil ? EscalationStatements.page : EscalationStatements.pageOfState
        var values: [PostgresValue] = [
            .int64(before ?? .max), .int64(Int64(min(limit, Self.pageMax))), type.map { .text($0) } ?? .null,
        ]
        if let state { values.append(.text(state.rawValue)) }
        let result = try await executor.execute(statement, values)
        return (0..<result.rowCount).compactMap { Escalation(result, row: $0) }
    }

    /// Makes or changes the rule of a type.
    ///
    /// - Parameters:
    ///   - seconds: how long a message may be undelivered.
    ///   - includeOverdue: what is overdue already is escalated as well.
    ///   - actor: for whom, if not for the role that has logged in.
    public func escalate(
        _ type: String, after seconds: Int64, url: String, includeOverdue: Bool = false, actor: String? = nil
    ) async throws(PostgresError) {
        _ = try await executor.execute(
            EscalationStatements.escalate,
            [.text(type), .int64(seconds), .text(url), .bool(includeOverdue), actor.map { .text($0) } ?? .null])
    }

    /// Removes the rule of a type, and withdraws what waits. Returns false when there is none.
    public func stop(_ type: String, actor: String? = nil) async throws(PostgresError) -> Bool {
        try await executor.execute(
            EscalationStatements.stop, [.text(type), actor.map { .text($0) } ?? .null]
        ).bool(0, 0)
    }

    /// Sends what was given up after all, and what waits for a further try now. Returns how many.
    public func retry(_ ids: [Int64], actor: String? = nil) async throws(PostgresError) -> Int {
        try await retry(.int64Array(ids), .null, actor)
    }

    /// The same of all of a type, 10,000 at most.
    public func retry(type: String, actor: String? = nil) async throws(PostgresError) -> Int {
        try await retry(.null, .text(type), actor)
    }

    private func retry(
        _ ids: PostgresValue, _ type: PostgresValue, _ actor: String?
    ) async throws(PostgresError) -> Int {
        let result = try await executor.execute(
            EscalationStatements.retry, [ids, type, actor.map { .text($0) } ?? .null])
        return Int(result.int64(0, 0) ?? 0)
    }
}

/// The text of the statements.
enum EscalationStatements {
    private static let timeLimit = Duration.seconds(20)
    /// What waits, and what was given up, is counted among so many of the newest.
    static let countMax = 10_000

    /// Plan: the rules, which are few; escalation (state, message_id) backwards, twice.
    static let rules = PostgresStatement(
        "belfry_escalation_rules",
        """
        with waiting as materialized (
            select w.type, count(*) as count from (
                select e.type from belfry.escalation e where e.state = 'waiting'
                order by e.message_id desc limit \(countMax)) w
            group by w.type
        ), failed as materialized (
            select f.type, count(*) as count from (
                select e.type from belfry.escalation e where e.state = 'failed'
                order by e.message_id desc limit \(countMax)) f
            group by f.type
        )
        select r.type, extract(epoch from r.after)::bigint, r.url, r.is_enabled, r.problem,
            coalesce(w.count, 0), coalesce(f.count, 0), r.sent, r.withdrawn, r.failed, r.last_error,
            extract(epoch from clock_timestamp() - r.failing_since)::float8,
            json_build_object(
                'type', r.type, 'afterSeconds', extract(epoch from r.after)::bigint, 'url', r.url,
                'isEnabled', r.is_enabled, 'problem', r.problem, 'waiting', coalesce(w.count, 0),
                'givenUp', coalesce(f.count, 0), 'sentInAll', r.sent, 'withdrawnInAll', r.withdrawn,
                'givenUpInAll', r.failed, 'lastError', r.last_error,
                'sentAt', (date_part('epoch', r.sent_at) * 1000)::bigint,
                'failingSince', (date_part('epoch', r.failing_since) * 1000)::bigint,
                'changedBy', coalesce(r.actor, r.changed_by),
                'changedAt', (date_part('epoch', r.changed_at) * 1000)::bigint)::text
        from belfry.escalation_rule r
        left join waiting w on w.type = r.type
        left join failed f on f.type = r.type
        order by r.type
        """, timeLimit: timeLimit)

    /// As `Escalation` reads them.
    private static let columns = """
        e.message_id, e.type, e.state, e.reason, e.attempts::bigint, e.last_error,
            extract(epoch from e.next_at - clock_timestamp())::float8, e.claimed_at is not null,
            json_build_object(
                'id', e.message_id::text, 'type', e.type, 'state', e.state, 'reason', e.reason,
                'receiver', (select m.receiver from belfry.message_log m where m.id = e.message_id),
                'undeliveredSince', (date_part('epoch', e.counts_from) * 1000)::bigint,
                'dueAt', (date_part('epoch', e.due_at) * 1000)::bigint,
                'nextAt', case when e.state = 'waiting' then (date_part('epoch', e.next_at) * 1000)::bigint end,
                'attempts', e.attempts, 'isUnderWay', e.claimed_at is not null, 'lastStatus', e.last_status,
                'lastError', e.last_error, 'sentAt', (date_part('epoch', e.sent_at) * 1000)::bigint)::text
        """

    /// Plan: escalation by primary key, backwards.
    static let page = PostgresStatement(
        "belfry_escalation_page",
        """
        select \(columns) from belfry.escalation e
        where e.message_id < $1::bigint and ($3::text is null or e.type = $3)
        order by e.message_id desc limit $2::bigint
        """, timeLimit: timeLimit)

    /// Plan: escalation (state, message_id) backwards.
    static let pageOfState = PostgresStatement(
        "belfry_escalation_page_of_state",
        """
        select \(columns) from belfry.escalation e
        where e.state = $4::text and e.message_id < $1::bigint and ($3::text is null or e.type = $3)
        order by e.message_id desc limit $2::bigint
        """, timeLimit: timeLimit)

    /// Plan: by primary key.
    static let escalate = PostgresStatement(
        "belfry_escalate",
        "select belfry.escalate($1, $2::bigint * interval '1 second', $3, $4::boolean, $5)", timeLimit: timeLimit)

    /// Plan: escalation (state, type, next_at).
    static let stop = PostgresStatement(
        "belfry_stop_escalating", "select belfry.stop_escalating($1, $2)", timeLimit: timeLimit)

    /// Plan: escalation by primary key, or (state, message_id).
    static let retry = PostgresStatement(
        "belfry_retry_escalations", "select belfry.retry_escalations($1::bigint[], $2, $3)", timeLimit: timeLimit)
}
