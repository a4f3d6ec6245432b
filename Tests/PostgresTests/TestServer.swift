import Foundation
import Glibc
import Postgres
import PrivateServers
import Testing

/// The private PostgreSQL that the tests of this process share, and what they all need.
enum TestServer {
    /// Must give its password, unlike everybody else: see `pg_hba.conf` below.
    static let passwordRole = "needs_password"
    static let password = "s3cret/with@signs"

    private static let folder = URL(fileURLWithPath: "/tmp/belfry-test-\(UUID().uuidString)")

    static let shared = Task {
        // Exit handlers run in reverse: the server's, registered by its start, comes first.
        atexit { try? FileManager.default.removeItem(at: TestServer.folder) }
        let server = try await PrivatePostgres.start(dataDirectory: folder, settings: ["fsync": "off"])
        let rules = folder.appendingPathComponent("pg_hba.conf")
        let text = try String(contentsOf: rules, encoding: .utf8)
        try Data("host all \(passwordRole) 127.0.0.1/32 scram-sha-256\n\(text)".utf8).write(to: rules)
        chown(rules.path, getpwnam("postgres").pointee.pw_uid, getpwnam("postgres").pointee.pw_gid)
        let connection = try await PostgresConnection.connect(
            PostgresConfiguration(url: server.url, applicationName: "setup"))
        try await connection.run("create role \(passwordRole) login password '\(password)'; select pg_reload_conf()")
        await connection.close()
        return server
    }

    static func configuration(applicationName: String = "test") async throws -> PostgresConfiguration {
        try PostgresConfiguration(url: try await shared.value.url, applicationName: applicationName)
    }

    static func connect(applicationName: String = "test") async throws -> PostgresConnection {
        try await PostgresConnection.connect(try await configuration(applicationName: applicationName))
    }

    /// Ends the server's side of every connection of that application.
    static func terminate(_ applicationName: String) async throws -> Int {
        let connection = try await connect(applicationName: "terminator")
        let result = try await connection.execute(
            PostgresStatement(
                "", "select pg_terminate_backend(pid) from pg_stat_activity where application_name = $1"),
            [.text(applicationName)])
        await connection.close()
        return result.rowCount
    }

    /// How many connections of that application the server has.
    static func connectionCount(_ applicationName: String) async throws -> Int {
        let connection = try await connect(applicationName: "observer")
        let query = PostgresStatement("", "select from pg_stat_activity where application_name = $1")
        let result = try await connection.execute(query, [.text(applicationName)])
        await connection.close()
        return result.rowCount
    }

    /// A name that no other test uses.
    static func uniqueName(_ prefix: String) -> String {
        "\(prefix)_\(UUID().uuidString.prefix(8).lowercased())"
    }
}

/// Calls `body`, which should throw a `PostgresError`.
func postgresError(_ body: () async throws -> Void) async throws -> PostgresError {
    try #require(await #expect(throws: PostgresError.self) { try await body() })
}
