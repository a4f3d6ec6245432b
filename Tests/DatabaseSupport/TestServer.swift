import Foundation
import Outbox
import Postgres
import PrivateServers
import Synchronization

/// One PostgreSQL for all tests of the process, with a database for each test that wants one.
public enum TestServer {
    /// A role that owns the schema, without being a superuser: what a careful installation migrates with.
    public static let owner = "belfry_test_owner"

    private static let template = "belfry_template"
    private static let folder = FileManager.default.temporaryDirectory
        .appending(path: "belfry-tests-\(getpid())")
    private static let databases = Atomic<Int>(0)

    private static let started = Task {
        // Handlers run in reverse: the server's own, registered at its start, comes before the folder goes.
        atexit { try? FileManager.default.removeItem(at: TestServer.folder) }
        let server = try await PrivatePostgres.start(
            dataDirectory: folder.appending(path: "shared"), settings: ["fsync": "off", "max_connections": "500"])
        let admin = try await PostgresConnection.connect(configuration(server.url))
        try await admin.run("create role \(owner) login createrole")
        try await admin.run("create database \(template) owner \(owner) template template0 encoding 'UTF8'")
        let url = server.url(database: template).replacing("postgres@", with: "\(owner)@", maxReplacements: 1)
        _ = try await Migrator(configuration: configuration(url)).apply()
        try await admin.run("create role test_service login in role belfry_service")
        try await admin.run("create role test_operator login in role belfry_operator")
        await admin.close()
        return server
    }

    /// A server for one test, which may kill it. Not flushed: what a killed process has written the kernel keeps.
    public static func startOwn() async throws -> PrivatePostgres {
        let number = databases.add(1, ordering: .relaxed).newValue
        return try await PrivatePostgres.start(
            dataDirectory: folder.appending(path: "own-\(number)"), settings: ["fsync": "off"])
    }

    /// A new database, with the schema unless `isMigrated` is false.
    public static func makeDatabase(isMigrated: Bool = true) async throws -> TestDatabase {
        let server = try await started.value
        let name = "test_\(databases.add(1, ordering: .relaxed).newValue)"
        let admin = try await PostgresConnection.connect(configuration(server.url))
        // While another copies the template, or a session on it is just ending, PostgreSQL refuses.
        var tries = 0
        while true {
            do throws(PostgresError) {
                try await admin.run("create database \(name) template \(isMigrated ? template : "template1")")
                break
            } catch {
                guard error.sqlState == "55006", tries < 50 else { throw error }
                tries += 1
                try await Task.sleep(for: .milliseconds(100))
            }
        }
        await admin.close()
        return TestDatabase(url: server.url(database: name))
    }

    /// A new database with the schema on a server of the test's own.
    public static func makeDatabase(on server: PrivatePostgres) async throws -> TestDatabase {
        let name = "test_\(databases.add(1, ordering: .relaxed).newValue)"
        let admin = try await PostgresConnection.connect(configuration(server.url))
        try await admin.run("create database \(name)")
        await admin.close()
        let url = server.url(database: name)
        _ = try await Migrator(configuration: configuration(url)).apply()
        return TestDatabase(url: url)
    }

    private static func configuration(_ url: String) throws -> PostgresConfiguration {
        try PostgresConfiguration(url: url, applicationName: "tests")
    }
}
