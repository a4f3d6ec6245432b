import Logging
import Postgres

/// Brings the schema `belfry` to the version that this binary knows. Forward only.
///
/// Each migration runs in one transaction that takes a lock and then claims its version, so any number of processes may
/// start at once. The role needs the right to create a schema and, on the first run, roles.
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
            if dryRun || pending.isEmpty { return pending }
            try await transaction(connection) {
                try await lock(connection)
                try await connection.run(MigratorStatements.createTable)
            }
            var done: [Migration] = []
            for migration in pending {
                if try await apply(migration, connection) { done.append(migration) }
            }
            // Another process with other migrations may have come between.
            _ = try check(try await applied(connection))
            return done
        }
    }

    /// For processes that only use the schema: returns if it is exactly as this binary wants it.
    ///
    /// - Throws: `MigratorError`, whose message says what to do; `PostgresError`.
    public func requireCurrent() async throws {
        let status = try await status()
        guard status.pending.isEmpty else {
            let present = status.applied.last.map { "is at version \($0.version)" } ?? "has no schema of Belfry yet"
            throw MigratorError(
                .outdated,
                "The database \(present), but this binary needs version \(migrations.count). "
                    + "Run `belfry migrate` with a role that may change the schema, then start again.")
        }
        let cache = try await withConnection { connection in
            try await connection.execute(MigratorStatements.identityCache).int64(0, 0)
        }
        guard cache == 1 else {
            throw MigratorError(
                .unknownMigration,
                "The sequence of belfry.message_log.id caches \(cache ?? 0) values a session, so ids do not follow the "
                    + "order of transactions. Run: alter table belfry.message_log alter column id set cache 1.")
        }
    }

    private func apply(_ migration: Migration, _ connection: PostgresConnection) async throws -> Bool {
        try await transaction(connection) {
            try await lock(connection)
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

    /// One migrating process at a time. Released by the end of the transaction, which a pooler cannot move elsewhere.
    private func lock(_ connection: PostgresConnection) async throws {
        _ = try await connection.execute(MigratorStatements.lock, [])
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

    /// "belfry" and "migr" in ASCII: nobody else's key.
    static let lock = PostgresStatement("", "select pg_advisory_xact_lock(x'62656c666d696772'::bigint)")

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
