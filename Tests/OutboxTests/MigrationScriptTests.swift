import DatabaseSupport
import Foundation
import Postgres
import Testing

@testable import Outbox

/// What `belfry migrate --sql` prints leaves the schema that the migrator would have left.
@Suite struct MigrationScriptTests {
    /// Everything that the two ways could do differently, as text.
    private static let catalog = """
        select 'table ' || c.relname || ' ' || c.relkind::text || ' ' || c.relpersistence::text || ' '
            || coalesce(c.relacl::text, '') || ' ' || coalesce(c.reloptions::text, '')
            from pg_class c where c.relnamespace = 'belfry'::regnamespace and c.relkind <> 'i'
        union all select 'column ' || a.attrelid::regclass || '.' || a.attname || ' '
            || format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull || ' '
            || coalesce(pg_get_expr(d.adbin, d.adrelid), '') || coalesce(a.attacl::text, '')
            from pg_attribute a join pg_class c on c.oid = a.attrelid
            left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
            where c.relnamespace = 'belfry'::regnamespace and a.attnum > 0 and not a.attisdropped
        union all select 'constraint ' || conname || ' ' || pg_get_constraintdef(oid)
            from pg_constraint where connamespace = 'belfry'::regnamespace
        union all select 'index ' || indexdef from pg_indexes where schemaname = 'belfry'
        union all select 'view ' || viewname || ' ' || definition from pg_views where schemaname = 'belfry'
        union all select 'trigger ' || pg_get_triggerdef(t.oid) from pg_trigger t join pg_class c on c.oid = t.tgrelid
            where c.relnamespace = 'belfry'::regnamespace and not t.tgisinternal
        union all select 'function ' || pg_get_functiondef(p.oid) || coalesce(p.proacl::text, '')
            from pg_proc p where p.pronamespace = 'belfry'::regnamespace and p.prokind = 'f'
        union all select 'comment ' || pg_describe_object(classoid, objoid, objsubid) || ' ' || description
            from pg_description where pg_describe_object(classoid, objoid, objsubid) like '%belfry%'
        union all select 'migration ' || version || ' ' || name from belfry.migration
        union all select 'type ' || t.name from belfry.notification_type t
        order by 1
        """

    private func catalog(_ database: TestDatabase) async throws -> [String] {
        let connection = try await database.connect()
        let rows = try await connection.rows(Self.catalog).map { $0[0] }
        await connection.close()
        return rows
    }

    /// As `psql -1 -f` does it, with the search path that a tool's session has.
    private func apply(_ script: String, _ database: TestDatabase) async throws {
        let connection = try await database.connect()
        defer { Task { await connection.close() } }
        try await connection.run("set search_path = public")
        do {
            try await connection.run("begin; \(script)")
            let path = try await connection.value("show search_path")
            #expect(path == "public", "the tool's own statements find its tables")
            try await connection.run("commit")
        } catch {
            try? await connection.run("rollback")
            throw error
        }
    }

    @Test func `all migrations as a script leave what the migrator leaves, and nothing for it to do`() async throws {
        let scripted = try await TestServer.makeDatabase(isMigrated: false)
        try await apply(MigrationScript.text(from: 1), scripted)
        let migrator = Migrator(configuration: try scripted.configuration())
        try await migrator.requireCurrent()
        let left = try await migrator.apply()
        #expect(left.isEmpty)
        let change = try await migrator.keepHistory(true)
        #expect(change == nil, "the index for histories is there")

        let migrated = try await TestServer.makeDatabase(isMigrated: false)
        _ = try await Migrator(configuration: try migrated.configuration()).apply()
        let (one, other) = (try await catalog(scripted), try await catalog(migrated))
        #expect(one.count > 300)
        #expect(one == other)

        let connection = try await scripted.connect()
        let id = try await connection.value("select belfry.notify('alice', 'STRING_MSG', '\"hello\"')")
        #expect(id == "1")
        await connection.close()
    }

    @Test(arguments: 2...Migration.all.count)
    func `from any version on`(first: Int) async throws {
        let database = try await TestServer.makeDatabase(isMigrated: false)
        let configuration = try database.configuration()
        _ = try await Migrator(configuration: configuration, migrations: Array(Migration.all.prefix(first - 1))).apply()
        try await apply(MigrationScript.text(from: first), database)
        try await Migrator(configuration: configuration).requireCurrent()
    }

    @Test func `over messages that exist it leaves the index for histories to be made beside writes`() async throws {
        let database = try await TestServer.makeDatabase(isMigrated: false)
        let configuration = try database.configuration()
        let first = try #require(Migration.all.first { $0.name == "create_inbox" }).version
        _ = try await Migrator(configuration: configuration, migrations: Array(Migration.all.prefix(first - 1))).apply()
        let connection = try await database.connect()
        try await connection.run("select belfry.notify('alice', 'JSON_MSG', '1')")
        await connection.close()
        try await apply(MigrationScript.text(from: first), database)
        let migrator = Migrator(configuration: configuration)
        try await migrator.requireCurrent()
        let change = try await migrator.keepHistory(true)
        #expect(change == .made)
    }

    @Test func `a script for another version says so and changes nothing`() async throws {
        let database = try await TestServer.makeDatabase()
        let before = try await catalog(database)
        for first in [1, 5] {
            let error = await #expect(throws: PostgresError.self) {
                try await apply(MigrationScript.text(from: first), database)
            }
            #expect(error?.message.contains("for a schema of Belfry at version \(first - 1);") == true)
            #expect(error?.hint?.contains("belfry migrate --sql") == true)
        }
        let after = try await catalog(database)
        #expect(before == after)
        let nothing = MigrationScript.text(from: Migration.all.count + 1)
        #expect(nothing == "-- The schema is up to date: version \(Migration.all.count).\n")
    }

    @Test func `outside a transaction it stops before its first migration`() async throws {
        let script = MigrationScript.text(from: 1)
        let lock = try #require(script.range(of: "lock table belfry.migration"))
        let claim = try #require(script.range(of: "insert into belfry.migration"))
        #expect(lock.lowerBound < claim.lowerBound, "LOCK TABLE is refused outside one")
    }
}
