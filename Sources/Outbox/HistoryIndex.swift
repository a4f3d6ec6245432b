import Logging
import Postgres

/// The index that histories are read by, `belfry.message_log_history`: made and dropped without a lock that
/// applications would wait for, outside the migrations, as an installation may do without it.
struct HistoryIndex {
    /// How long it waits for another process that makes or drops it.
    private static let patience: Duration = .seconds(300)

    let connection: PostgresConnection
    let logger: Logger

    /// Makes it, or drops it, as it is wanted, and remembers that.
    ///
    /// - Parameter isWanted: `nil` for what was wanted before.
    /// - Returns: what was done; `nil` when it was so already.
    func settle(_ isWanted: Bool?) async throws -> HistoryChange? {
        if let isWanted { _ = try await connection.execute(HistoryStatements.remember, [.bool(isWanted)]) }
        let wanted = try await connection.execute(HistoryStatements.wanted, []).bool(0, 0)
        guard try await state() != (wanted ? .there : .absent) else { return nil }
        try await lock()
        do {
            let change = try await change(wanted)
            _ = try await connection.execute(HistoryStatements.unlock, [])
            return change
        } catch {
            // It ends with the connection at the latest.
            _ = try? await connection.execute(HistoryStatements.unlock, [])
            throw error
        }
    }

    private func change(_ wanted: Bool) async throws -> HistoryChange? {
        switch (wanted, try await state()) {
        case (true, .there), (false, .absent): return nil
        case (true, let state):
            // What a process that was ended has left.
            if state == .broken { try await connection.run(HistoryStatements.drop) }
            logger.notice("Making the index for histories; applications write meanwhile, and a large log takes time.")
            try await connection.run(HistoryStatements.create)
            try await connection.run(HistoryStatements.describe)
            return .made
        case (false, _):
            try await connection.run(HistoryStatements.drop)
            return .dropped
        }
    }

    private enum State { case there, broken, absent }

    private func state() async throws -> State {
        let result = try await connection.execute(HistoryStatements.state, [])
        guard result.rowCount == 1 else { return .absent }
        return result.bool(0, 0) ? .there : .broken
    }

    private func lock() async throws {
        let deadline = ContinuousClock.now + Self.patience
        while try await !connection.execute(HistoryStatements.lock, []).bool(0, 0) {
            guard ContinuousClock.now < deadline else {
                throw MigratorError(
                    .failed,
                    "Another session holds the lock under which the index for histories is made or dropped: select pid "
                        + "from pg_locks where locktype = 'advisory' and objid = \(HistoryStatements.lockID).")
            }
            try await Task.sleep(for: .seconds(1))
        }
    }
}

/// What became of the index for histories.
public enum HistoryChange: Sendable {
    case made, dropped
}

/// The statements on the index for histories. None is prepared, so that they work behind any pooler in session mode.
enum HistoryStatements {
    /// Of no meaning.
    static let lockID = 1_748_205_121

    /// Whether it can be gone by, as an expression. Plan: pg_class by name, pg_index by primary key.
    static let isUsable = """
        exists (select from pg_catalog.pg_index i
                where i.indexrelid = to_regclass('belfry.message_log_history') and i.indisvalid)
        """

    static let wanted = PostgresStatement("", "select s.keeps_history from belfry.setting s")

    static let remember = PostgresStatement(
        "", "update belfry.setting set keeps_history = $1::boolean where keeps_history <> $1::boolean")

    static let state = PostgresStatement(
        "",
        """
        select i.indisvalid from pg_catalog.pg_index i
        join pg_catalog.pg_class c on c.oid = i.indexrelid
        join pg_catalog.pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'belfry' and c.relname = 'message_log_history'
        """)

    static let lock = PostgresStatement("", "select pg_try_advisory_lock(0, \(lockID))")
    static let unlock = PostgresStatement("", "select pg_advisory_unlock(0, \(lockID))")

    /// The case and not "viewed_at is null", which PostgreSQL turns into tests that no index answers.
    static let definition =
        "message_log_history on belfry.message_log (receiver, (case when viewed_at is null then 0 else 1 end), id) "
        + "where receiver is not null and hidden_at is null"

    static let create = "create index concurrently \(definition)"

    static let describe = """
        comment on index belfry.message_log_history is
            'The messages of a user, viewed one by one or not, in their order. Without it there are no histories.'
        """

    static let drop = "drop index concurrently if exists belfry.message_log_history"
}
