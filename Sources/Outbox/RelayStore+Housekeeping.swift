import BelfryModel
import Postgres

/// The leader's housekeeping. Every statement may run twice, or on two relays at once, without harm: rows that another
/// transaction holds are left for the next time.
enum HousekeepingStatements {
    /// Rows that one statement takes at most.
    static let batchRows = 1_000

    /// Plan: the ends of the partial indexes on not_before, expires_at and published_at; node and session are small.
    static let dues = PostgresStatement(
        "",
        """
        select
            (select (extract(epoch from min(not_before) - clock_timestamp()) * 1000)::bigint from belfry.outbox
                where not_before is not null),
            (select (extract(epoch from min(expires_at) - clock_timestamp()) * 1000)::bigint from belfry.outbox
                where expires_at is not null),
            (select (extract(epoch from min(published_at) - clock_timestamp()) * 1000)::bigint + $1::bigint
                from belfry.outbox where published_at is not null),
            exists (select from belfry.node where heartbeat_at < clock_timestamp() - interval '15 seconds')
                or exists (
                    select from belfry.session s
                    where s.opened_at < clock_timestamp() - interval '60 seconds'
                        and not exists (select from belfry.node n where n.id = s.node_id))
        """)

    /// Held-back rows whose time has come get this transaction's id and so come to the cursor like new ones. A batch is
    /// published by message id; batches follow one another by time. Plan: index outbox (not_before), then primary key.
    static let release = PostgresStatement(
        "",
        """
        with due as (
            select message_id from belfry.outbox where not_before <= clock_timestamp()
            order by not_before, message_id limit \(batchRows) for update skip locked
        )
        update belfry.outbox o set not_before = null, xid = pg_current_xact_id()
        from due where o.message_id = due.message_id
        """)

    /// Plan: index outbox (expires_at), then outbox and message_log by primary key.
    static let expire = PostgresStatement(
        "",
        """
        with due as (
            select message_id from belfry.outbox where expires_at <= clock_timestamp()
            order by expires_at limit \(batchRows) for update skip locked
        ), gone as (
            delete from belfry.outbox o using due where o.message_id = due.message_id returning o.message_id
        ), marked as (
            update belfry.message_log l
            set status = 'expired', status_reason = 'It was not delivered before its expires_at.'
            from gone where l.id = gone.message_id and l.status = 'pending'
            returning l.id
        )
        select (select count(*) from gone), (select count(*) from marked)
        """)

    /// Broadcasts whose time for late nodes is over. Plan: the start of the index on published_at, then by primary key.
    static let settle = PostgresStatement(
        "",
        """
        with due as (
            select message_id from belfry.outbox
            where topic is not null and not_before is null
                and published_at <= clock_timestamp() - $1::bigint * interval '1 millisecond'
            order by published_at limit \(batchRows) for update skip locked
        ), gone as (
            delete from belfry.outbox o using due where o.message_id = due.message_id returning o.message_id
        ), marked as (
            update belfry.message_log l
            set status = 'expired', status_reason = 'No session acknowledged this broadcast within '
                || round($1::bigint / 1000.0, 1)::text || ' s of its publication.'
            from gone where l.id = gone.message_id and l.status = 'pending'
            returning l.id
        )
        select (select count(*) from gone), (select count(*) from marked)
        """)

    /// What sessions of killed nodes may have been shown is marked, and nodes and sessions go, all in one: a session's
    /// row must not go before its messages are marked. Plan: node and session are small; index outbox (receiver, …).
    static let buryNodes = PostgresStatement(
        "",
        """
        with dead as (
            delete from belfry.node where heartbeat_at < clock_timestamp() - interval '15 seconds' returning id
        ), ended as (
            delete from belfry.session s
            where s.node_id in (select id from dead)
                or (s.opened_at < clock_timestamp() - interval '60 seconds'
                    and not exists (select from belfry.node n where n.id = s.node_id))
            returning s.receiver
        ), marked as (
            update belfry.outbox o set redelivered = true
            where o.receiver in (select receiver from ended) and not o.redelivered
            returning o.message_id
        )
        select (select count(*) from dead), (select count(*) from ended), (select count(*) from marked)
        """)

    /// A failed publish: postponed, by being held back, or parked after `$4` tries. The stamp must be the one that was
    /// published, so that a message stamped anew meanwhile is not blamed. Plan: by primary key.
    static let recordFailure = PostgresStatement(
        "",
        """
        with postponed as (
            update belfry.outbox
            set attempts = attempts + 1, last_error = $3,
                not_before = clock_timestamp() + $5::bigint * interval '1 millisecond'
            where message_id = $1::bigint and xid = $2::xid8 and attempts + 1 < $4::bigint
            returning message_id
        ), gone as (
            delete from belfry.outbox
            where message_id = $1::bigint and xid = $2::xid8 and attempts + 1 >= $4::bigint
            returning message_id, attempts + 1 as attempts
        ), parked as (
            insert into belfry.parked (message_id, reason, attempts)
            select message_id, $3, attempts from gone
            on conflict (message_id) do update
            set reason = excluded.reason, attempts = excluded.attempts, parked_at = excluded.parked_at
        ), marked as (
            update belfry.message_log l set status = 'parked', status_reason = $3
            from gone where l.id = gone.message_id and l.status = 'pending'
        )
        select case when exists (select from postponed) then 'postponed'
            when exists (select from gone) then 'parked' else 'gone' end
        """)

    /// Plan: a scan of the outbox's smallest index; sent every ten seconds at most.
    /// An ACK and a NACK at the same moment may leave a parked row of a delivered message. Plan: parked is small; message_log
    /// by primary key.
    static let tidyParked = PostgresStatement(
        "",
        """
        delete from belfry.parked p using belfry.message_log m
        where m.id = p.message_id and m.status <> 'parked'
        """)

    static let countMessages = PostgresStatement(
        "", "select (select count(*) from belfry.outbox), (select count(*) from belfry.parked)")
}

extension RelayStore {
    /// What waits for a time to come.
    ///
    /// - Parameter topicHold: how long a broadcast stays after it was published.
    public func dues(topicHold: Duration) async throws(PostgresError) -> RelayDues {
        let result = try await execute(HousekeepingStatements.dues, [.int64(Self.milliseconds(topicHold))])
        return RelayDues(
            release: result.int64(0, 0), expiry: result.int64(0, 1), settlement: result.int64(0, 2),
            hasDeadNodes: result.bool(0, 3))
    }

    /// Stamps held-back rows whose time has come, so that the loop publishes them. Returns how many.
    public func releaseDue() async throws(PostgresError) -> Int {
        try await repeatBatches { () async throws(PostgresError) in
            let count = try await execute(HousekeepingStatements.release).affectedRows
            return (taken: count, counted: count)
        }
    }

    /// Takes rows whose `expires_at` has passed out of the outbox. Returns how many messages became `expired`.
    public func expireDue() async throws(PostgresError) -> Int {
        try await repeatBatches { () async throws(PostgresError) in
            Self.counts(try await execute(HousekeepingStatements.expire))
        }
    }

    /// Takes broadcasts out of the outbox that were published `topicHold` ago. Returns how many nobody had taken.
    public func settleTopics(topicHold: Duration) async throws(PostgresError) -> Int {
        let hold = Self.milliseconds(topicHold)
        return try await repeatBatches { () async throws(PostgresError) in
            Self.counts(try await execute(HousekeepingStatements.settle, [.int64(hold)]))
        }
    }

    /// Removes nodes without a sign of life for 15 s, and sessions without a node, after marking what they may have been
    /// shown as redelivered.
    public func buryDeadNodes() async throws(PostgresError) -> (nodes: Int, sessions: Int, messages: Int) {
        let result = try await execute(HousekeepingStatements.buryNodes)
        return (Int(result.int64(0, 0) ?? 0), Int(result.int64(0, 1) ?? 0), Int(result.int64(0, 2) ?? 0))
    }

    /// Notes that a message could not be published.
    ///
    /// - Parameters:
    ///   - reason: a sentence for the operator.
    ///   - attemptsMax: the tries after which it is parked; 1 parks it now.
    ///   - delay: the pause before the next try.
    public func recordFailure(
        _ id: MessageID, xid: UInt64, reason: String, attemptsMax: Int, delay: Duration
    ) async throws(PostgresError) -> PublishFailure {
        let result = try await execute(
            HousekeepingStatements.recordFailure,
            [
                .int64(id.rawValue), .text(String(xid)), .text(reason), .int64(Int64(attemptsMax)),
                .int64(Self.milliseconds(delay)),
            ])
        return switch result.string(0, 0) {
        case "postponed": .postponed
        case "parked": .parked
        default: .gone
        }
    }

    /// Removes parked rows of messages that are parked no longer, then counts. Rows of the outbox (undelivered messages, and broadcasts in their time for late nodes), and parked messages.
    public func countMessages() async throws(PostgresError) -> (pending: Int, parked: Int) {
        _ = try await execute(HousekeepingStatements.tidyParked)
        let result = try await execute(HousekeepingStatements.countMessages)
        return (Int(result.int64(0, 0) ?? 0), Int(result.int64(0, 1) ?? 0))
    }

    /// Runs a batch again for as long as it was full. The bound leaves the rest to the next time.
    private func repeatBatches(
        _ batch: () async throws(PostgresError) -> (taken: Int, counted: Int)
    ) async throws(PostgresError) -> Int {
        var total = 0
        for _ in 0..<20 {
            let (taken, counted) = try await batch()
            total += counted
            if taken < HousekeepingStatements.batchRows { break }
        }
        return total
    }

    private static func counts(_ result: PostgresResult) -> (taken: Int, counted: Int) {
        (Int(result.int64(0, 0) ?? 0), Int(result.int64(0, 1) ?? 0))
    }

    private static func milliseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        return seconds * 1_000 + attoseconds / 1_000_000_000_000_000
    }
}
