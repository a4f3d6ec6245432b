import DatabaseSupport
import Foundation
import Postgres
import TestBasics
import Testing

@testable import Outbox

@Suite struct MigratorTests {
    @Test func `the list of migrations is the folder's`() throws {
        let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "migrations")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".sql") }
        #expect(names.sorted() == Migration.all.map(\.fileName))
        #expect(Migration.all.map(\.version) == Array(1...Migration.all.count))
        for migration in Migration.all {
            let file = try String(contentsOf: folder.appending(path: migration.fileName), encoding: .utf8)
            #expect(file == migration.sql, "\(migration.fileName) is another text than the embedded one")
        }
    }

    @Test func `a fresh database is brought up to date, once`() async throws {
        let database = try await TestServer.makeDatabase(isMigrated: false)
        let migrator = Migrator(configuration: try database.configuration())
        #expect(try await migrator.status().pending == Migration.all)
        #expect(try await migrator.apply() == Migration.all)
        #expect(try await migrator.apply().isEmpty)
        let status = try await migrator.status()
        #expect(status.pending.isEmpty)
        #expect(status.applied.map(\.name) == Migration.all.map(\.name))
        try await migrator.requireCurrent()
        let connection = try await database.connect()
        #expect(try await connection.value("select belfry.notify('alice', 'STRING_MSG', '\"hello\"')") == "1")
        await connection.close()
    }

    @Test func `a dry run changes nothing`() async throws {
        let database = try await TestServer.makeDatabase(isMigrated: false)
        let migrator = Migrator(configuration: try database.configuration())
        #expect(try await migrator.apply(dryRun: true) == Migration.all)
        let connection = try await database.connect()
        #expect(try await connection.value("select count(*) from pg_namespace where nspname = 'belfry'") == "0")
        await connection.close()
    }

    @Test func `several at once apply each migration exactly once`() async throws {
        let database = try await TestServer.makeDatabase(isMigrated: false)
        let configuration = try database.configuration()
        let applied = try await withThrowingTaskGroup(of: [Migration].self) { group in
            for _ in 0..<4 { group.addTask { try await Migrator(configuration: configuration).apply() } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(applied.map(\.version).sorted() == Migration.all.map(\.version))
        try await Migrator(configuration: configuration).requireCurrent()
    }

    private static let historyIndex =
        "select count(*) filter (where indisvalid) || ' of ' || count(*) from pg_index "
        + "where indexrelid = to_regclass('belfry.message_log_history')"

    @Test func `histories are kept at first, left out when that is said, and kept again`() async throws {
        let database = try await TestServer.makeDatabase()
        let migrator = Migrator(configuration: try database.configuration())
        let connection = try await database.connect()
        #expect(try await connection.value(Self.historyIndex) == "1 of 1")
        #expect(try await migrator.keepHistory(true) == nil)
        #expect(try await migrator.keepHistory(false) == .dropped)
        _ = try await migrator.apply()
        #expect(try await connection.value(Self.historyIndex) == "0 of 0", "what was said last holds")
        #expect(try await migrator.keepHistory(true) == .made)
        #expect(try await connection.value(Self.historyIndex) == "1 of 1")
        await connection.close()
    }

    @Test func `an index for histories that was left half made is made anew, by one of several`() async throws {
        let database = try await TestServer.makeDatabase()
        let configuration = try database.configuration()
        let connection = try await database.connect()
        try await connection.run(
            """
            update pg_index set indisvalid = false
            where indexrelid = 'belfry.message_log_history'::regclass
            """)
        let made = try await withThrowingTaskGroup(of: HistoryChange?.self) { group in
            for _ in 0..<3 {
                group.addTask { try await Migrator(configuration: configuration).keepHistory(true) }
            }
            return try await group.reduce(into: [HistoryChange]()) { if let change = $1 { $0.append(change) } }
        }
        #expect(made == [.made])
        #expect(try await connection.value(Self.historyIndex) == "1 of 1")
        await connection.close()
    }

    @Test func `applications write while the index for histories is made`() async throws {
        let database = try await TestServer.makeDatabase()
        let migrator = Migrator(configuration: try database.configuration())
        let (application, looker) = (try await database.connect(), try await database.connect())
        _ = try await migrator.keepHistory(false)
        try await application.run("begin; select belfry.notify('alice', 'JSON_MSG', '1')")
        async let change = migrator.keepHistory(true)
        try await eventually("it waits for the transaction that is open") {
            try await looker.value("select count(*) from pg_locks where not granted") != "0"
        }
        #expect(try await looker.value("select belfry.notify('alice', 'JSON_MSG', '2') > 0") == "t")
        try await application.run("commit")
        #expect(try await change == .made)
        #expect(try await looker.value("select count(*) from belfry.history('alice')") == "2")
        await application.close()
        await looker.close()
    }

    @Test func `a newer schema is refused with both versions`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        try await connection.run("insert into belfry.migration (version, name) values (99, 'add_future')")
        await connection.close()
        let migrator = Migrator(configuration: try database.configuration())
        for attempt in [
            { _ = try await migrator.apply() }, { try await migrator.requireCurrent() },
            { _ = try await migrator.status() },
        ] {
            let error = await #expect(throws: MigratorError.self) { try await attempt() }
            #expect(error?.code == .newerSchema)
            #expect(error?.message.contains("99 (add_future)") == true)
            #expect(error?.message.contains("up to \(Migration.all.count)") == true)
        }
    }

    @Test func `a migration that is another one here is refused`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        try await connection.run("update belfry.migration set name = 'create_something' where version = 2")
        await connection.close()
        let error = await #expect(throws: MigratorError.self) {
            try await Migrator(configuration: database.configuration()).apply()
        }
        #expect(error?.code == .unknownMigration)
        #expect(error?.message.contains("2 (create_something)") == true)
    }

    @Test func `an older schema sends people to belfry migrate`() async throws {
        let database = try await TestServer.makeDatabase(isMigrated: false)
        let configuration = try database.configuration()
        let fresh = await #expect(throws: MigratorError.self) {
            try await Migrator(configuration: configuration).requireCurrent()
        }
        #expect(fresh?.message.contains("has no schema of Belfry yet") == true)
        _ = try await Migrator(configuration: configuration, migrations: Array(Migration.all.prefix(2))).apply()
        let error = await #expect(throws: MigratorError.self) {
            try await Migrator(configuration: configuration).requireCurrent()
        }
        #expect(error?.code == .outdated)
        #expect(error?.message.contains("is at version 2") == true)
        #expect(error?.message.contains("belfry migrate") == true)
    }

    @Test func `a migration that fails leaves nothing of itself`() async throws {
        let database = try await TestServer.makeDatabase(isMigrated: false)
        let migrations = [
            Migration(version: 1, name: "create_one", sql: "create table belfry.one (id int)"),
            Migration(version: 2, name: "create_two", sql: "create table belfry.two (id int); select 1 / 0"),
        ]
        let migrator = Migrator(configuration: try database.configuration(), migrations: migrations)
        let error = await #expect(throws: MigratorError.self) { try await migrator.apply() }
        #expect(error?.code == .failed)
        #expect(error?.message.contains("000002_create_two.sql") == true)
        let connection = try await database.connect()
        #expect(try await connection.value("select to_regclass('belfry.one') is not null") == "t")
        #expect(try await connection.value("select to_regclass('belfry.two') is null") == "t")
        #expect(try await connection.value("select string_agg(name, ',') from belfry.migration") == "create_one")
        await connection.close()
    }
}
