import Foundation
import Outbox
import Postgres
import PrivateServers

/// One PostgreSQL for all tests of this process. Each test gets a database of its own, copied from a migrated template.
actor DatabaseServer {
    static let shared = DatabaseServer()

    /// A role that owns the schema, without being a superuser: what a careful installation migrates with.
    static let owner = "belfry_test_owner"

    private static let folder = "/tmp/belfry-database-tests-\(ProcessInfo.processInfo.processIdentifier)"
    private static let template = "belfry_template"
    private var starting: Task<PrivatePostgres, any Error>?
    private var sharing: Task<String, any Error>?
    private var databases = 0

    /// A new database with Belfry's schema in it.
    ///
    /// - Returns: its URL, for the superuser.
    func makeDatabase() async throws -> String {
        let server = try await server()
        databases += 1
        let name = "belfry_test_\(databases)"
        let connection = try await Self.connect(server.url)
        try await connection.run("create database \(name) template \(Self.template)")
        await connection.close()
        return server.url(database: name)
    }

    /// The database that tests share which leave nothing in it.
    func sharedDatabase() async throws -> String {
        if let sharing { return try await sharing.value }
        let task = Task {
            let url = try await makeDatabase()
            let connection = try await Self.connect(url)
            try await connection.query(
                "select belfry.register_type('ORDER_CREATED', $1::jsonb)", [.text(TestDatabase.orderSchema)])
            await connection.close()
            return url
        }
        sharing = task
        return try await task.value
    }

    static func connect(_ url: String) async throws -> PostgresConnection {
        let connection = try await PostgresConnection.connect(
            PostgresConfiguration(url: url, applicationName: "belfry-database-tests"))
        // PostgreSQL's own default, which an application has and a session of Belfry's has not.
        try await connection.run("set search_path = \"$user\", public")
        return connection
    }

    private func server() async throws -> PrivatePostgres {
        if let starting { return try await starting.value }
        let task = Task { try await Self.start() }
        starting = task
        return try await task.value
    }

    private static func start() async throws -> PrivatePostgres {
        // Handlers run in reverse: the server's own, registered at its start, comes before the folder goes.
        atexit { try? FileManager.default.removeItem(atPath: DatabaseServer.folder) }
        let server = try await PrivatePostgres.start(
            dataDirectory: URL(fileURLWithPath: folder), settings: ["fsync": "off", "max_connections": "200"])
        let connection = try await connect(server.url)
        try await connection.run("create role \(owner) login createrole")
        try await connection.run("create database \(template) owner \(owner) template template0 encoding 'UTF8'")
        await connection.close()
        let url = server.url(database: template).replacing("postgres@", with: "\(owner)@")
        _ = try await Migrator(configuration: PostgresConfiguration(url: url, applicationName: "belfry-migrate"))
            .apply()
        return server
    }
}
