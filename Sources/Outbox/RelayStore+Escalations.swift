import Postgres

/// A rule as the leading relay goes by it.
public struct EscalationOrder: Sendable, Hashable {
    public let type: String
    public let url: String
    /// Why nothing was sent by it, as it was noted last.
    public let problem: String?
}

/// What one look for overdue messages of a type came to.
public struct EscalationLook: Sendable, Hashable {
    public enum Outcome: String, Sendable {
        /// There may be more.
        case moved
        /// What follows is too young.
        case done
        /// So many wait to be sent already.
        case full
        /// No such rule is on, or somebody changes it.
        case gone
        /// Another relay leads.
        case deposed
    }

    public let outcome: Outcome
    public let overdue: Int
    public let looked: Int
}

/// A webhook that is to be sent now, by nobody else meanwhile.
public struct ClaimedEscalation: Sendable, Hashable {
    public let messageID: Int64
    /// Names this try.
    public let attempt: Int
    /// How many tries there were, this one included, since somebody asked for it anew.
    public let counted: Int
    /// JSON.
    public let body: String
}

/// What came of a try.
public struct EscalationResult: Sendable, Hashable {
    public enum Outcome: String, Sendable {
        case sent, again, failed, gone
    }

    public var messageID: Int64
    public var attempt: Int
    public var outcome: Outcome
    public var status: Int?
    public var error: String?
    /// Before the next try.
    public var pause: Duration

    public init(
        messageID: Int64, attempt: Int, outcome: Outcome, status: Int?, error: String?, pause: Duration = .zero
    ) {
        self.messageID = messageID
        self.attempt = attempt
        self.outcome = outcome
        self.status = status
        self.error = error
        self.pause = pause
    }
}

extension RelayStore {
    /// Rules that are on.
    public func escalationOrders() async throws(PostgresError) -> [EscalationOrder] {
        let result = try await execute(RelayEscalationStatements.orders)
        return (0..<result.rowCount).map { row in
            EscalationOrder(
                type: result.string(row, 0), url: result.string(row, 1), problem: result.optionalString(row, 2))
        }
    }

    /// Looks at the next messages for those of a type that are overdue.
    ///
    /// - Parameters:
    ///   - rows: that it looks at.
    ///   - waitingMax: webhooks that wait to be sent, from which on it finds no more.
    public func findOverdue(
        _ type: String, term: Int64, rows: Int, waitingMax: Int
    ) async throws(PostgresError) -> EscalationLook {
        let result = try await execute(
            RelayEscalationStatements.find,
            [.text(type), .int64(term), .int64(Int64(rows)), .int64(Int64(waitingMax))])
        guard result.rowCount > 0, let outcome = EscalationLook.Outcome(rawValue: result.string(0, 0)) else {
            throw PostgresError(.protocolViolation, "PostgreSQL did not say what a look for overdue messages came to.")
        }
        return EscalationLook(
            outcome: outcome, overdue: Int(result.int64(0, 1) ?? 0), looked: Int(result.int64(0, 2) ?? 0))
    }

    /// The next webhooks of a rule. What needs none any more is withdrawn, and counted.
    ///
    /// - Parameter lease: how long nobody else gets them.
    public func claimEscalations(
        _ order: EscalationOrder, term: Int64, count: Int, lease: Duration
    ) async throws(PostgresError) -> (claimed: [ClaimedEscalation], withdrawn: Int) {
        let result = try await execute(
            RelayEscalationStatements.claim,
            [
                .text(order.type), .text(order.url), .int64(term), .int64(Int64(count)),
                .int64(lease.components.seconds),
            ])
        var claimed: [ClaimedEscalation] = []
        var withdrawn = 0
        for row in 0..<result.rowCount {
            withdrawn += Int(result.int64(row, 4) ?? 0)
            guard let id = result.int64(row, 0) else { continue }
            claimed.append(
                ClaimedEscalation(
                    messageID: id, attempt: Int(result.int64(row, 1) ?? 0), counted: Int(result.int64(row, 2) ?? 0),
                    body: result.string(row, 3)))
        }
        return (claimed, withdrawn)
    }

    /// Notes what came of tries. That one was accepted holds whoever leads. Returns those whose rows, or whose rule,
    /// another transaction holds: they are to be noted later.
    public func settleEscalations(
        _ results: [EscalationResult], term: Int64
    ) async throws(PostgresError) -> [Int64] {
        let settled = try await execute(
            RelayEscalationStatements.settle,
            [
                .int64Array(results.map(\.messageID)), .int64Array(results.map { Int64($0.attempt) }),
                .textArray(results.map(\.outcome.rawValue)), .int64Array(results.map { Int64($0.status ?? 0) }),
                .textArray(results.map { $0.error ?? "" }), .int64Array(results.map(\.pause.milliseconds)),
                .int64(term),
            ])
        return (0..<settled.rowCount).filter { settled.bool($0, 1) }.compactMap { settled.int64($0, 0) }
    }

    /// Marks messages that were escalated. Returns how many, and of how many somebody holds the row.
    public func markEscalated(rows: Int) async throws(PostgresError) -> (marked: Int, held: Int) {
        let result = try await execute(RelayEscalationStatements.mark, [.int64(Int64(rows))])
        return (Int(result.int64(0, 0) ?? 0), Int(result.int64(0, 1) ?? 0))
    }

    /// Notes why nothing is sent by a rule; `nil`: it is.
    public func noteProblem(_ problem: String?, of order: EscalationOrder, term: Int64) async throws(PostgresError) {
        _ = try await execute(
            RelayEscalationStatements.noteProblem,
            [.text(order.type), .text(order.url), .int64(term), problem.map { .text($0) } ?? .null])
    }

    /// How many webhooks wait to be sent now, counted to a hundred thousand.
    public func waitingEscalations() async throws(PostgresError) -> Int {
        Int(try await execute(RelayEscalationStatements.waiting).int64(0, 0) ?? 0)
    }
}

/// The leader's statements on escalations. A lock of a whole table is waited for ten milliseconds: then they fail with
/// 55P03.
enum RelayEscalationStatements {
    /// Plan: the table, which is small.
    static let orders = PostgresStatement(
        "", "select r.type, r.url, r.problem from belfry.escalation_rule r where r.is_enabled order by r.type")

    /// Plan: outbox and parked along their primary keys, outbox by (xid, …), message_log by primary key.
    static let find = PostgresStatement(
        "",
        """
        with \(NodeMarkStatements.patience)
        select f.outcome, f.overdue, f.looked
        from (select case when p.milliseconds <> '' then $1::text end as type from patience p offset 0) u
        cross join lateral belfry.find_overdue(u.type, $2::bigint, $3::bigint::integer, $4::bigint::integer) f
        """, timeLimit: .seconds(30))

    /// Plan: escalation (state, type, next_at); message_log, outbox and parked by primary key, presence by receiver.
    static let claim = PostgresStatement(
        "",
        """
        with \(NodeMarkStatements.patience)
        select c.message_id, c.attempt, c.counted, c.body, c.withdrawn
        from (select case when p.milliseconds <> '' then $1::text end as type from patience p offset 0) u
        cross join lateral belfry.claim_escalations(
            u.type, $2, $3::bigint, $4::bigint::integer, $5::bigint * interval '1 second') c
        """, timeLimit: .seconds(30))

    /// Plan: escalation and escalation_rule by primary key.
    static let settle = PostgresStatement(
        "",
        """
        select s.message_id, s.is_held
        from belfry.settle_escalations(
            $1::bigint[], $2::bigint[]::integer[], $3::text[], $4::bigint[]::integer[], $5::text[], $6::bigint[],
            $7::bigint) s
        """, timeLimit: .seconds(30))

    /// Plan: escalation (state, …), message_log by primary key.
    static let mark = PostgresStatement(
        "",
        """
        with \(NodeMarkStatements.patience)
        select m.marked, m.held
        from (select case when p.milliseconds <> '' then $1::bigint::integer end as rows from patience p offset 0) u
        cross join lateral belfry.mark_escalated(u.rows) m
        """, timeLimit: .seconds(30))

    /// Plan: by primary key.
    static let noteProblem = PostgresStatement(
        "", "select belfry.note_escalation_problem($1::text, $2::text, $3::bigint, $4::text)")

    /// Plan: escalation (state, …).
    static let waiting = PostgresStatement(
        "",
        """
        select count(*) from (
            select from belfry.escalation e
            where e.state = 'waiting' and e.next_at <= clock_timestamp() limit 100000) w
        """)
}
