import Postgres

extension RelayStore {
    /// Jobs that are running, the oldest first.
    public func runningReplayJobs() async throws(PostgresError) -> [Int64] {
        let result = try await execute(RelayReplayJobStatements.running)
        return (0..<result.rowCount).compactMap { result.int64($0, 0) }
    }

    /// One batch of a job, in a transaction of its own.
    ///
    /// - Parameters:
    ///   - term: of the leadership; the leader of another one moves nothing.
    ///   - bounds: of the batch.
    public func stepReplayJob(
        _ id: Int64, term: Int64, bounds: ReplayBounds
    ) async throws(PostgresError) -> ReplayStep {
        let result = try await execute(
            RelayReplayJobStatements.step,
            [
                .int64(id), .int64(term), .int64(Int64(bounds.rowsMax)), .int64(Int64(bounds.queuedMax)),
                .int64(Int64(bounds.unpublishedMax)),
            ])
        guard result.rowCount > 0, let outcome = ReplayStep.Outcome(rawValue: result.string(0, 0)) else {
            throw PostgresError(.protocolViolation, "PostgreSQL did not say what became of a batch of a replay.")
        }
        return ReplayStep(
            outcome: outcome, queued: Int(result.int64(0, 1) ?? 0), skipped: Int(result.int64(0, 2) ?? 0),
            held: Int(result.int64(0, 3) ?? 0))
    }

    /// Notes that PostgreSQL refuses a batch of a job for what it holds. An operator can resume it.
    public func failReplayJob(_ id: Int64, term: Int64, reason: String) async throws(PostgresError) -> Bool {
        try await execute(RelayReplayJobStatements.fail, [.int64(id), .int64(term), .text(reason)]).bool(0, 0)
    }
}

/// What bounds a batch of a job.
public struct ReplayBounds: Sendable {
    /// Rows of the log that are looked at.
    public var rowsMax = 10_000
    /// Messages that are queued again.
    public var queuedMax = 1_000
    /// Rows of the outbox that the relay has still to publish, from which on nothing is queued: so a job waits for a
    /// relay or a Redis that is slow, and for what applications send.
    public var unpublishedMax = 5_000

    public init() {}
}

/// The leader's statements on jobs.
enum RelayReplayJobStatements {
    /// Plan: the partial index replay_job (state, id).
    static let running = PostgresStatement(
        "", "select j.id from belfry.replay_job j where j.state = 'running' order by j.id limit 100")

    /// Plan: replay_job by primary key; pieces of message_log by primary key or by topic; outbox by (xid, …) up to the
    /// bound, then outbox and message_log by primary key. A lock of a whole table is waited for ten milliseconds, while
    /// rows are locked: then it fails with 55P03.
    static let step = PostgresStatement(
        "",
        """
        with \(NodeMarkStatements.patience)
        select s.outcome, s.queued, s.skipped, s.held
        from (select case when p.milliseconds <> '' then $1::bigint end as job from patience p offset 0) u
        cross join lateral belfry.step_replay_job(
            u.job, $2::bigint, $3::bigint::integer, $4::bigint::integer, $5::bigint::integer) s
        """)

    /// Plan: by primary key.
    static let fail = PostgresStatement("", "select belfry.fail_replay_job($1::bigint, $2::bigint, $3)")
}
