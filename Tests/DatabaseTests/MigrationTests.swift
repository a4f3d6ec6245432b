import DatabaseSupport
import Foundation
import Outbox
import Postgres
import Testing

/// What the migrations do on their way in.
@Suite struct MigrationTests {
    private func refusalOfRoles(_ prepare: String) async throws -> PostgresError {
        let database = try await SchemaDatabase()
        // Roles belong to the server, which other tests use: everything happens in a transaction that is rolled back.
        try await database.connection.run("begin; drop schema belfry cascade; \(prepare)")
        let first = try #require(Migration.all.first)
        let error = await #expect(throws: PostgresError.self) { try await database.connection.run(first.sql) }
        try await database.connection.run("rollback")
        return try #require(error)
    }

    @Test func aMissingRoleThatMayNotBeCreatedIsNamed() async throws {
        let error = try await refusalOfRoles(
            """
            alter role belfry_service rename to belfry_service_elsewhere;
            create role belfry_test_migrator; set local role belfry_test_migrator
            """)
        #expect(
            error.message.contains(
                "The role \"belfry_service\" does not exist, and \"belfry_test_migrator\" may not create it."))
        #expect(error.hint?.contains("create role belfry_service nologin") == true)
        #expect(error.sqlState == "42501")
    }

    @Test func rolesThatExistAreLeftAlone() async throws {
        let database = try await SchemaDatabase()
        let roles = "select rolname, oid, rolcanlogin from pg_roles where rolname like 'belfry\\_%' order by 1"
        let before = try await database.query(roles)
        try await database.connection.run("create database belfry_other template template0 encoding 'UTF8'")
        let url = database.url(of: "belfry_other")
        _ = try await Migrator(configuration: PostgresConfiguration(url: url, applicationName: "migrate")).apply()
        #expect(try await database.query(roles) == before)
        #expect(before.filter { $0[2] == "t" }.map { $0[0] } == [TestServer.owner])
    }

    @Test func anotherEncodingIsRefused() async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run(
            "create database belfry_latin template template0 encoding 'LATIN1' locale 'C'")
        let url = database.url(of: "belfry_latin")
        let migrator = Migrator(configuration: try PostgresConfiguration(url: url, applicationName: "migrate"))
        let error = await #expect(throws: MigratorError.self) { try await migrator.apply() }
        #expect(
            error?.message.contains("UTF8, but \"belfry_latin\" has LATIN1.") == true, "\(String(describing: error))")
    }

    @Test func filesAreNumberedWithoutGapsAndHoldNoTransactionsOfTheirOwn() {
        for (index, migration) in Migration.all.enumerated() {
            #expect(migration.version == index + 1)
            let words = migration.sql.lowercased()
            #expect(words.firstMatch(of: /^\s*(commit|rollback|begin)\s*;/.anchorsMatchLineEndings()) == nil)
        }
    }
}
