import BelfryModel
import Postgres

/// Jobs that deliver messages again, for whoever makes, watches and stops them.
///
/// Refusals by the schema come as `PostgresError`s with `.server`: SQLSTATE 22023 for criteria that are not possible,
/// P0002 when there is no such job, 55000 when its state does not allow it.
public struct ReplayJobStore: Sendable {
    /// What a job's rate is if nothing else is said.
    public static let rateDefault = 500
    /// What a rate may be, in messages a second.
    public static let rates = 1...10_000

    private let executor: any RelayStoreExecutor
    private let isPatient: Bool

    /// - Parameters:
    ///   - executor: its role is in `belfry_operator` or `belfry_service`.
    ///   - isPatient: waits for the batch that is under way; else it fails with SQLSTATE 55P03 after ten milliseconds.
    public init(executor: any RelayStoreExecutor, isPatient: Bool) {
        self.executor = executor
        self.isPatient = isPatient
    }

    /// Makes a job. Returns its id.
    ///
    /// - Parameter actor: for whom, if not for the role that has logged in.
    public func create(
        _ criteria: ReplayCriteria, rate: Int, actor: String? = nil
    ) async throws(PostgresError) -> Int64 {
        let values = criteria.values + [.int64(Int64(rate)), Self.text(actor)]
        let result = try await executor.execute(ReplayJobStatements.create, values)
        guard result.rowCount > 0, let id = result.int64(0, 0) else {
            throw PostgresError(.protocolViolation, "PostgreSQL did not say which id the job got.")
        }
        return id
    }

    /// Looks for some two seconds at what a job would do, and makes none.
    public func estimate(_ criteria: ReplayCriteria, rate: Int) async throws(PostgresError) -> ReplayEstimate {
        let result = try await executor.execute(
            ReplayJobStatements.estimate, criteria.values + [.int64(Int64(rate))])
        guard result.rowCount > 0 else {
            throw PostgresError(.protocolViolation, "PostgreSQL did not say what the job would do.")
        }
        return ReplayEstimate(result)
    }

    /// A job; `nil` when there is none.
    public func job(_ id: Int64) async throws(PostgresError) -> ReplayJob? {
        let result = try await executor.execute(ReplayJobStatements.job, [.int64(id)])
        return result.rowCount > 0 ? ReplayJob(result, row: 0) : nil
    }

    /// A page of jobs, the newest first.
    ///
    /// - Parameter before: the last id of the page before.
    public func jobs(before: Int64? = nil, limit: Int) async throws(PostgresError) -> [ReplayJob] {
        let result = try await executor.execute(
            ReplayJobStatements.jobs, [.int64(before ?? .max), .int64(Int64(limit))])
        return (0..<result.rowCount).compactMap { ReplayJob(result, row: $0) }
    }

    /// Pauses, resumes or cancels a job. One that is in that state already stays as it is.
    public func change(
        _ id: Int64, _ change: ReplayJobChange, actor: String? = nil
    ) async throws(PostgresError) -> ReplayJob {
        let result = try await executor.execute(
            ReplayJobStatements.change(change, isPatient: isPatient), [.int64(id), Self.text(actor)])
        guard result.rowCount > 0, let job = ReplayJob(result, row: 0) else {
            throw PostgresError(.protocolViolation, "PostgreSQL did not say what became of the job.")
        }
        return job
    }

    private static func text(_ value: String?) -> PostgresValue { value.map { .text($0) } ?? .null }
}

extension ReplayCriteria {
    /// $1 to $8 of the statements on jobs.
    fileprivate var values: [PostgresValue] {
        [ids.map { .int64Array($0.map(\.rawValue)) } ?? .null]
            + [receiver, topic, type, since, until, status].map { $0.map { .text($0) } ?? .null }
            + [.bool(includeDelivered)]
    }
}

/// The text of the statements.
enum ReplayJobStatements {
    /// A dry run looks for two seconds and a piece of the log.
    private static let timeLimit = Duration.seconds(20)

    private static let criteria = "$1::bigint[], $2, $3, $4, $5::timestamptz, $6::timestamptz, $7, $8::boolean"

    /// Plan: the ends of message_log's primary key; the jobs that are not finished are few.
    static let create = PostgresStatement(
        "belfry_replay_job_create",
        "select c.job_id from belfry.create_replay_job(\(criteria), $9::bigint::integer, false, $10) c",
        timeLimit: timeLimit)

    /// Plan: pieces of message_log by primary key, or of its index on topic.
    static let estimate = PostgresStatement(
        "belfry_replay_job_estimate",
        """
        select c.matched, c.is_complete, c.estimated, c.estimated_seconds, coalesce(c.sample, '{}')::text
        from belfry.create_replay_job(\(criteria), $9::bigint::integer, true) c
        """, timeLimit: timeLimit)

    /// As `ReplayJob` reads them. The criteria are told as belfry.audit tells them; walked to the end is all of it.
    private static let columns = """
        j.id, j.state, j.reason, coalesce(j.actor, j.created_by), c.criteria::text, j.rate, p.progress, j.matched,
            j.queued, j.skipped, cardinality(j.held)::bigint,
            date_part('epoch', clock_timestamp() - j.created_at),
            json_build_object(
                'id', j.id::text, 'state', j.state, 'reason', j.reason, 'criteria', c.criteria, 'rate', j.rate,
                'progress', round(p.progress::numeric, 4), 'matched', j.matched, 'queued', j.queued,
                'skipped', j.skipped, 'held', cardinality(j.held), 'createdBy', coalesce(j.actor, j.created_by),
                'createdAt', (date_part('epoch', j.created_at) * 1000)::bigint,
                'startedAt', (date_part('epoch', j.started_at) * 1000)::bigint,
                'finishedAt', (date_part('epoch', j.finished_at) * 1000)::bigint)::text
        """

    private static let derived = """
        cross join lateral (
            select case when j.last_id <= j.first_id then 1
                else (j.position - j.first_id)::float8 / (j.last_id - j.first_id) end as progress
        ) p
        cross join lateral (
            select jsonb_strip_nulls(jsonb_build_object(
                'ids', case when j.ids is not null then
                    (select jsonb_agg(i::text) from unnest(j.ids[1:100]) i) end,
                'idCount', cardinality(j.ids), 'receiver', j.receiver, 'topic', j.topic, 'type', j.type,
                'since', (date_part('epoch', j.since) * 1000)::bigint,
                'until', (date_part('epoch', j.until) * 1000)::bigint, 'status', j.status,
                'includeDelivered', nullif(j.include_delivered, false))) as criteria
        ) c
        """

    /// Plan: by primary key.
    static let job = PostgresStatement(
        "belfry_replay_job",
        "select \(columns) from belfry.replay_job j \(derived) where j.id = $1::bigint", timeLimit: timeLimit)

    /// Plan: by primary key, backwards.
    static let jobs = PostgresStatement(
        "belfry_replay_jobs",
        """
        select \(columns) from belfry.replay_job j \(derived)
        where j.id < $1::bigint order by j.id desc limit $2::bigint
        """, timeLimit: timeLimit)

    /// Plan: by primary key.
    static func change(_ change: ReplayJobChange, isPatient: Bool) -> PostgresStatement {
        let patience = isPatient ? "patience as materialized (select 'x' as milliseconds)" : NodeMarkStatements.patience
        return PostgresStatement(
            "belfry_replay_job_\(change.rawValue)\(isPatient ? "_patiently" : "")",
            """
            with \(patience)
            select \(columns)
            from patience w cross join lateral belfry.\(change.rawValue)_replay_job(
                case when w.milliseconds <> '' then $1::bigint end, $2) j
            \(derived)
            """, timeLimit: timeLimit)
    }
}
