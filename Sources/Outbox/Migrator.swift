import Logging
import Postgres

/// Brings the schema `belfry` to the version that this binary knows. Forward only.
///
/// Each migration runs in one transaction that locks the table of migrations, which only the schema's owner may, and
/// then claims its version, so any number of processes may start at once. A lock on a table that applications use is
/// waited for a second at a time, since their inserts queue up behind it. The role needs the right to create a schema
/// and, on the first run, roles.
public struct Migrator: Sendable {
    private let configuration: PostgresConfiguration
    private let migrations: [Migration]
    private let logger: Logger

    /// - Parameters:
    ///   - configuration: the database, and a role that owns the schema `belfry` or may create it.
    ///   - migrations: by number from 1, without a gap.
    public init(
        configuration: PostgresConfiguration, migrations: [Migration] = Migration.all,
        logger: Logger = Logger(label: "belfry.migrator")
    ) {
        self.configuration = configuration
        self.migrations = migrations
        self.logger = logger
    }

    /// What has been applied and what is missing.
    ///
    /// - Throws: `MigratorError` for a database that is newer than this binary or has other migrations;
    ///   `PostgresError`.
    public func status() async throws -> MigrationStatus {
        try await withConnection { connection in
            try check(try await applied(connection))
        }
    }

    /// Applies what is missing.
    ///
    /// - Parameter dryRun: only says what it would apply.
    /// - Returns: the migrations that this call applied, or would apply; others may have been applied meanwhile by
    ///   another process.
    /// - Throws: `MigratorError`, `PostgresError`. What was applied before the failure stays.
    public func apply(dryRun: Bool = false) async throws -> [Migration] {
        try await withConnection { connection in
            let pending = try check(try await applied(connection)).pending
            if dryRun { return pending }
            if pending.isEmpty {
                _ = try await settleHistory(nil, connection)
                return pending
            }
            try await createTable(connection)
            var done: [Migration] = []
            for migration in pending {
                if try await apply(migration, connection) { done.append(migration) }
            }
            // Another process with other migrations may have come between.
            _ = try check(try await applied(connection))
            _ = try await settleHistory(nil, connection)
            return done
        }
    }

    /// Makes the index that histories are read by, or drops it, while applications write; `apply` does what was wanted
    /// last.
    ///
    /// - Returns: what was done; `nil` when it was so already.
    /// - Throws: `MigratorError`, `PostgresError`.
    public func keepHistory(_ isWanted: Bool) async throws -> HistoryChange? {
        try await withConnection { connection in try await settleHistory(isWanted, connection) }
    }

    /// Of a schema that knows of it.
    private func settleHistory(_ isWanted: Bool?, _ connection: PostgresConnection) async throws -> HistoryChange? {
        guard migrations.contains(where: { $0.name == "create_inbox" }) else { return nil }
        return try await HistoryIndex(connection: connection, logger: logger).settle(isWanted)
    }

    /// For processes that only use the schema: returns if it is exactly as this binary wants it.
    ///
    /// - Returns: whose it is.
    /// - Throws: `MigratorError`, whose message says what to do; `PostgresError`.
    @discardableResult
    public func requireCurrent() async throws -> InstallationIdentity {
        let status = try await status()
        guard status.pending.isEmpty else {
            let present = status.applied.last.map { "is at version \($0.version)" } ?? "has no schema of Belfry yet"
            throw MigratorError(
                .outdated,
                "The database \(present), but this binary needs version \(migrations.count). "
                    + "Run `belfry migrate` with a role that may change the schema, then start again.")
        }
        let (cache, installation) = try await withConnection { connection in
            (
                try await connection.execute(MigratorStatements.identityCache).int64(0, 0),
                try await InstallationIdentity.read(connection)
            )
        }
        guard cache == 1 else {
            throw MigratorError(
                .unknownMigration,
                "The sequence of belfry.message_log.id caches \(cache ?? 0) values a session, so ids do not follow the "
                    + "order of transactions. Run: alter table belfry.message_log alter column id set cache 1.")
        }
        return installation
    }

    /// How long a migration tries to get the locks that it needs, while applications hold others in open transactions.
    private static let lockPatience: Duration = .seconds(300)

    private func apply(_ migration: Migration, _ connection: PostgresConnection) async throws -> Bool {
        let deadline = ContinuousClock.now + Self.lockPatience
        var hasTold = false
        while true {
            do {
                return try await applyOnce(migration, connection)
            } catch {
                guard Self.isLockTimeout(error), ContinuousClock.now < deadline else { throw error }
                if !hasTold {
                    logger.notice(
                        """
                        The migration \(migration.fileName) waits for open transactions that hold Belfry's tables; it \
                        tries again for \(Self.lockPatience.components.seconds / 60) minutes.
                        """)
                }
                hasTold = true
                try await Task.sleep(for: .seconds(1))
            }
        }
    }

    private static func isLockTimeout(_ error: any Error) -> Bool {
        let error = (error as? MigratorError)?.underlying ?? error
        return (error as? PostgresError)?.sqlState == "55P03"
    }

    /// Several processes may be the first at the same time, and PostgreSQL's "if not exists" does not keep them apart.
    private func createTable(_ connection: PostgresConnection) async throws {
        var tries = 0
        while true {
            do {
                return try await transaction(connection) { try await connection.run(MigratorStatements.createTable) }
            } catch let error as PostgresError {
                tries += 1
                guard ["23505", "42P06", "42P07"].contains(error.sqlState), tries < 10 else { throw error }
                try await Task.sleep(for: .milliseconds(50))
            }
        }
    }

    private func applyOnce(_ migration: Migration, _ connection: PostgresConnection) async throws -> Bool {
        try await transaction(connection) {
            try await connection.run(MigratorStatements.lock)
            let claim = try await connection.execute(
                MigratorStatements.claim, [.int64(Int64(migration.version)), .text(migration.name)])
            guard claim.affectedRows > 0 else { return false }
            do {
                try await connection.run(migration.sql)
            } catch let error as PostgresError {
                throw MigratorError(
                    .failed, "The migration \(migration.fileName) failed, and nothing of it was kept: \(error.message)",
                    underlying: error)
            }
            logger.notice("Applied the migration \(migration.fileName).")
            return true
        }
    }

    private func transaction<R>(_ connection: PostgresConnection, _ body: () async throws -> R) async throws -> R {
        try await connection.run("begin")
        do {
            let result = try await body()
            try await connection.run("commit")
            return result
        } catch {
            try? await connection.run("rollback")
            throw error
        }
    }

    private func applied(_ connection: PostgresConnection) async throws -> [AppliedMigration] {
        guard try await connection.execute(MigratorStatements.tableExists, []).bool(0, 0) else { return [] }
        let result = try await connection.execute(MigratorStatements.list, [])
        return (0..<result.rowCount).map { row in
            AppliedMigration(
                version: Int(result.int64(row, 0) ?? 0), name: result.string(row, 1), appliedAt: result.string(row, 2))
        }
    }

    /// Compares the database's list with this binary's.
    private func check(_ applied: [AppliedMigration]) throws(MigratorError) -> MigrationStatus {
        if let newest = applied.last, newest.version > migrations.count {
            throw MigratorError(
                .newerSchema,
                "The database is at version \(newest.version) (\(newest.name)), but this binary knows versions up to "
                    + "\(migrations.count). Start a newer belfry; an old one must not run on a newer schema.")
        }
        for (index, row) in applied.enumerated() {
            guard row.version == index + 1, row.name == migrations[index].name else {
                throw MigratorError(
                    .unknownMigration,
                    "The database says that it has migration \(row.version) (\(row.name)), but in this binary number "
                        + "\(index + 1) is \(migrations[index].name). It was set up by another build of belfry: "
                        + "use that one, or another database.")
            }
        }
        return MigrationStatus(applied: applied, pending: Array(migrations.dropFirst(applied.count)))
    }

    private func withConnection<R>(_ body: (PostgresConnection) async throws -> R) async throws -> R {
        let connection = try await PostgresConnection.connect(configuration)
        do {
            let result = try await body(connection)
            await connection.close()
            return result
        } catch {
            await connection.close()
            throw error
        }
    }
}

/// The statements of the migrator. They are few and not prepared, so that they work behind any pooler.
enum MigratorStatements {
    /// Plan: by primary key of a catalog that everybody may read.
    static let identityCache = PostgresStatement(
        "",
        """
        select seqcache from pg_sequence
        where seqrelid = pg_get_serial_sequence('belfry.message_log', 'id')::regclass
        """)

    /// One migrating process at a time; others wait without a bound, as nobody but the owner can hold this lock. The
    /// rest of the transaction waits a second for each lock.
    static let lock = """
        lock table belfry.migration in share row exclusive mode;
        set local lock_timeout = '1s'
        """

    static let createTable = """
        create schema if not exists belfry;
        create table if not exists belfry.migration (
            version integer primary key,
            name text not null,
            applied_at timestamptz not null default statement_timestamp()
        );
        comment on table belfry.migration is 'The migrations that belfry migrate has applied.';
        """

    /// `to_regclass` would fail for a role that may not use the schema.
    static let tableExists = PostgresStatement(
        "",
        """
        select exists (
            select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where n.nspname = 'belfry' and c.relname = 'migration' and c.relkind = 'r')
        """)

    static let list = PostgresStatement(
        "",
        """
        select version, name, to_char(applied_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
        from belfry.migration order by version
        """)

    static let claim = PostgresStatement(
        "", "insert into belfry.migration (version, name) values ($1::bigint, $2) on conflict (version) do nothing")
}
