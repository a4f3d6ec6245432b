import DatabaseSupport
import Foundation
import Postgres
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
