import BelfryModel
import Postgres

/// What the operators' commands and the demo send: the state of things, new messages, replay and cancel.
///
/// Refusals by the schema come as `PostgresError`s with `.server`, whose message and hint are written for people.
public struct OperatorStore: Sendable {
    private let executor: any RelayStoreExecutor

    /// - Parameter executor: its role is in `belfry_operator`; in `belfry_writer` or `belfry_service` it may notify,
    ///   broadcast and cancel.
    public init(executor: any RelayStoreExecutor) {
        self.executor = executor
    }

    /// The state of the whole installation, from the database's view.
    ///
    /// - Parameter byType: counts pending messages by type as well, which reads each of them.
    public func status(byType: Bool = false) async throws(PostgresError) -> OperatorStatus {
        let counts = try await executor.execute(OperatorStatements.counts, [])
        let nodes = try await executor.execute(OperatorStatements.nodes, [])
        var types: [OperatorStatus.TypeCount]?
        if byType {
            let result = try await executor.execute(OperatorStatements.pendingByType, [])
            types = (0..<result.rowCount).map { row in
                OperatorStatus.TypeCount(type: result.string(row, 0), count: Int(result.int64(row, 1) ?? 0))
            }
        }
        return OperatorStatus(counts: counts, nodes: nodes, pendingByType: types)
    }

    /// Sends a message to one user or topic. Returns its id; with an idempotency key that was used before, that one's.
    public func send(_ message: NewMessage) async throws(PostgresError) -> MessageID {
        let (statement, name) =
            switch message.address {
            case .user(let user): (OperatorStatements.notify, user)
            case .topic(let topic): (OperatorStatements.broadcast, topic)
            }
        let result = try await executor.execute(
            statement,
            [
                .text(name), .text(message.type), .text(message.data),
                Self.text(message.headers), Self.text(message.notBefore), Self.text(message.expiresAt),
                Self.text(message.idempotencyKey),
            ])
        guard result.rowCount > 0, let id = result.int64(0, 0) else {
            throw PostgresError(.protocolViolation, "PostgreSQL did not say which id the message got.")
        }
        return MessageID(rawValue: id)
    }

    /// Delivers messages again, chosen by all of the criteria given.
    ///
    /// - Parameter dryRun: says what it would do and does nothing.
    public func replay(_ criteria: ReplayCriteria, dryRun: Bool) async throws(PostgresError) -> [ReplayedMessage] {
        let ids: PostgresValue = criteria.ids.map { .int64Array($0.map(\.rawValue)) } ?? .null
        let result = try await executor.execute(
            OperatorStatements.replay,
            [
                ids, Self.text(criteria.receiver), Self.text(criteria.topic), Self.text(criteria.type),
                Self.text(criteria.since), Self.text(criteria.until), Self.text(criteria.status),
                .bool(criteria.includeDelivered), .bool(dryRun),
            ])
        return (0..<result.rowCount).map { row in
            ReplayedMessage(
                id: MessageID(rawValue: result.int64(row, 0) ?? 0), previousStatus: result.optionalString(row, 1),
                action: result.string(row, 2))
        }
    }

    /// Takes a message back that is pending or parked. Returns whether this call cancelled it.
    public func cancel(_ id: MessageID) async throws(PostgresError) -> Bool {
        try await executor.execute(OperatorStatements.cancel, [.int64(id.rawValue)]).bool(0, 0)
    }

    private static func text(_ value: String?) -> PostgresValue { value.map { .text($0) } ?? .null }
}

/// The text of the statements, none of which runs often enough to be prepared.
enum OperatorStatements {
    /// Plan: counts read the whole outbox; the oldest is the first by primary key; what the relay has still to do is
    /// two ranges of the index outbox (xid, …). Broadcasts that were published only wait for late nodes and do not
    /// count.
    static let counts = PostgresStatement(
        "",
        """
        with waiting as (
            select count(*) as pending, count(*) filter (where not_before is not null) as held_back
            from belfry.outbox where topic is null or published_at is null
        ), oldest as (
            select extract(epoch from clock_timestamp() - l.created_at) as age
            from belfry.outbox o join belfry.message_log l on l.id = o.message_id
            where o.topic is null or o.published_at is null
            order by o.message_id limit 1
        ), behind as (
            \(behind)
        )
        select w.pending, w.held_back, (select age::float8 from oldest), (select count(*) from belfry.parked),
            c.relay, c.term, extract(epoch from clock_timestamp() - c.leader_seen_at)::float8,
            (select count(*) from behind),
            (\(oldestBehind))
        from waiting w left join belfry.relay_cursor c on c.shard = 0
        """)

    /// What the relay has still to publish. Plan: two ranges of the index outbox (xid, …).
    static let behind = """
        select o.message_id, o.xid
        from belfry.relay_cursor c
        cross join lateral (
            select message_id, xid, not_before from belfry.outbox where xid >= pg_snapshot_xmax(c.snapshot)
            union all
            select message_id, xid, not_before from belfry.outbox
            where xid = any(array(select pg_snapshot_xip(c.snapshot)))
        ) o
        where c.shard = 0 and o.not_before is null
            and (c.target is null or not pg_visible_in_snapshot(o.xid, c.target)
                or (o.xid, o.message_id) > (c.position_xid, c.position_id))
        """

    /// How long the oldest of a relation `behind` has waited: of those that were not released, replayed or stamped
    /// anew, as since when these wait is not known. Plan: a thousand of them, message_log by primary key.
    static let oldestBehind = """
        select extract(epoch from clock_timestamp() - l.created_at)::float8
                from (select b.message_id, b.xid from behind b order by b.message_id limit 1000) b
                join belfry.message_log l on l.id = b.message_id and l.xid = b.xid
                order by b.message_id limit 1
        """

    /// Plan: node is small; session by its index on node_id.
    static let nodes = PostgresStatement(
        "",
        """
        select n.id::text, n.host, n.pid, n.listen, extract(epoch from clock_timestamp() - n.started_at)::float8,
            extract(epoch from clock_timestamp() - n.heartbeat_at)::float8, n.sessions
        from belfry.node n order by n.host, n.listen
        """)

    /// Plan: reads every undelivered message.
    static let pendingByType = PostgresStatement(
        "",
        """
        select l.type, count(*)
        from belfry.outbox o join belfry.message_log l on l.id = o.message_id
        where o.topic is null or o.published_at is null
        group by l.type order by count(*) desc, l.type limit 100
        """)

    static let notify = PostgresStatement(
        "",
        "select belfry.notify($1, $2, $3::jsonb, $4::jsonb, $5::timestamptz, $6::timestamptz, $7)")

    static let broadcast = PostgresStatement(
        "",
        "select belfry.broadcast($1, $2, $3::jsonb, $4::jsonb, $5::timestamptz, $6::timestamptz, $7)")

    static let replay = PostgresStatement(
        "",
        """
        select message_id, previous_status, action
        from belfry.replay($1::bigint[], $2, $3, $4, $5::timestamptz, $6::timestamptz, $7, $8::boolean, $9::boolean)
        """)

    static let cancel = PostgresStatement("", "select belfry.cancel($1::bigint)")
}
