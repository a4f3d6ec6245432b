import Foundation
import Outbox
import Postgres
import PrivateServers
import Synchronization

/// One PostgreSQL for all tests of the process, with a database for each test.
public enum TestServer {
    private static let folder = FileManager.default.temporaryDirectory
        .appending(path: "belfry-tests-\(getpid())")

    private static let started = Task {
        // Registered before the server's own end, so that it runs after it.
        atexit { try? FileManager.default.removeItem(at: TestServer.folder) }
        let server = try await PrivatePostgres.start(
            dataDirectory: folder.appending(path: "shared"), settings: ["fsync": "off", "max_connections": "500"])
        let configuration = try PostgresConfiguration(url: server.url, applicationName: "tests")
        let admin = try await PostgresConnection.connect(configuration)
        try await admin.run("create database belfry_template")
        let template = try PostgresConfiguration(
            url: server.url(database: "belfry_template"), applicationName: "tests")
        _ = try await Migrator(configuration: template).apply()
        try await admin.run("create role test_service login in role belfry_service")
        try await admin.run("create role test_operator login in role belfry_operator")
        await admin.close()
        return server
    }

    /// A server for one test, which may kill it.
    public static func startOwn() async throws -> PrivatePostgres {
        let number = databases.add(1, ordering: .relaxed).newValue
        return try await PrivatePostgres.start(dataDirectory: folder.appending(path: "own-\(number)"))
    }

    private static let databases = Atomic<Int>(0)

    /// A new database, with the schema unless `isMigrated` is false.
    public static func makeDatabase(isMigrated: Bool = true) async throws -> TestDatabase {
        let server = try await started.value
        let name = "test_\(databases.add(1, ordering: .relaxed).newValue)"
        let admin = try await PostgresConnection.connect(
            PostgresConfiguration(url: server.url, applicationName: "tests"))
        // While another copies the template, or a session on it is just ending, PostgreSQL refuses.
        var tries = 0
        while true {
            do throws(PostgresError) {
                try await admin.run("create database \(name) template \(isMigrated ? "belfry_template" : "template1")")
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
}

/// A test's own database.
public struct TestDatabase: Sendable {
    public let url: String

    /// - Parameter url: for the superuser.
    public init(url: String) { self.url = url }

    public func configuration(role: String = "postgres") throws -> PostgresConfiguration {
        try PostgresConfiguration(
            url: url.replacing("postgres@", with: "\(role)@", maxReplacements: 1), applicationName: "tests")
    }

    /// Whose database it is.
    public func installation() async throws -> InstallationIdentity {
        let connection = try await connect()
        let installation = try await InstallationIdentity.read(connection)
        await connection.close()
        return installation
    }

    public func connect(role: String = "postgres") async throws -> PostgresConnection {
        try await PostgresConnection.connect(configuration(role: role))
    }
}

extension PostgresConnection {
    /// The rows of a query; null is "-".
    public func rows(_ sql: String) async throws -> [[String]] {
        let result = try await execute(PostgresStatement("", sql), [])
        return (0..<result.rowCount).map { row in
            (0..<result.columnCount).map { result.optionalString(row, $0) ?? "-" }
        }
    }

    /// The first column of the first row.
    public func value(_ sql: String) async throws -> String { try await rows(sql).first?.first ?? "-" }
}
