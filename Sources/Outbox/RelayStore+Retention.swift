import BelfryModel
import Postgres

/// What one look at old messages came to.
public struct RetentionBatch: Hashable, Sendable {
    /// The last id that was looked at.
    public let position: Int64
    public let deleted: Int
    /// Whether what follows is too young for all rules.
    public let isAtEnd: Bool

    /// Where there is nothing to look for.
    public static let nothing = RetentionBatch(position: 0, deleted: 0, isAtEnd: true)
}

extension RelayStore {
    /// Deletes what is old among the next messages of the log. It waits for nobody, and may run on two relays at once
    /// without harm.
    ///
    /// - Parameters:
    ///   - position: an id after which it looks; `nil`: where the last look ended, whoever's it was.
    ///   - rows: 1 to 10,000, that it looks at.
    public func deleteOld(
        after position: Int64?, rows: Int, policy: RetentionPolicy
    ) async throws(PostgresError) -> RetentionBatch {
        let rules = policy.rules
        let result = try await execute(
            RetentionStatements.deleteOld,
            [
                position.map { .int64($0) } ?? .null, .int64(Int64(rows)), .textArray(rules.map { $0.type ?? "" }),
                .textArray(rules.map { $0.status?.rawValue ?? "" }),
                .int64Array(rules.map { $0.age?.components.seconds ?? -1 }),
            ])
        return RetentionBatch(
            position: result.int64(0, 0) ?? 0, deleted: Int(result.int64(0, 1) ?? 0), isAtEnd: result.bool(0, 2))
    }

    /// Deletes what operators did longer ago than `age`, and replay jobs that ended before, among the oldest thousand
    /// of each.
    ///
    /// - Returns: how many rows went.
    public func deleteOldActs(age: Duration) async throws(PostgresError) -> Int {
        let result = try await execute(RetentionStatements.deleteOldActs, [.int64(age.components.seconds)])
        return Int(result.int64(0, 0) ?? 0)
    }
}

/// The text of its statements.
enum RetentionStatements {
    /// A lock of the whole table is waited for ten milliseconds, while rows of it are locked: then it fails with 55P03.
    /// Plan: message_log from a position along the primary key; then outbox, parked and message_log by primary key.
    static let deleteOld = PostgresStatement(
        "belfry_relay_delete_old",
        """
        with \(NodeMarkStatements.patience)
        select d.last_id, d.deleted, d.is_at_end
        from (select case when p.milliseconds <> '' then $2::bigint::integer end as rows from patience p offset 0) u
        cross join lateral belfry.delete_old($1::bigint, u.rows, $3::text[], $4::text[], $5::bigint[]) d
        """, timeLimit: .seconds(30))

    /// A lock of a table is waited for ten milliseconds, as above. Plan: audit and replay_job by primary key.
    static let deleteOldActs = PostgresStatement(
        "belfry_relay_delete_old_acts",
        """
        with \(NodeMarkStatements.patience)
        select belfry.delete_old_acts(u.seconds, 1000)
        from (select case when p.milliseconds <> '' then $1::bigint end as seconds from patience p offset 0) u
        """, timeLimit: .seconds(30))
}
