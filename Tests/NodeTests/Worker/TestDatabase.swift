import Foundation
import Logging
import Outbox
import Postgres
import PrivateServers

/// A private PostgreSQL that the tests of this process share, with a fresh database for each.
actor TestDatabase {
    static let shared = TestDatabase()

    private var server: Task<PrivatePostgres, any Error>?
    private var count = 0

    static let settings = ["fsync": "off", "max_connections": "200"]

    private static let folderPrefix = "belfry-gateway-test-"

    static func folder(_ name: String) -> URL {
        FileManager.default.temporaryDirectory.appendingPathComponent(
            "\(folderPrefix)\(ProcessInfo.processInfo.processIdentifier)-\(name)")
    }

    /// Removes what runs that are over have left.
    private static func removeOldFolders() {
        let parent = FileManager.default.temporaryDirectory
        for name in (try? FileManager.default.contentsOfDirectory(atPath: parent.path)) ?? []
        where name.hasPrefix(folderPrefix) {
            let digits = name.dropFirst(folderPrefix.count).prefix { $0 != "-" }
            guard let process = pid_t(digits), kill(process, 0) != 0, errno == ESRCH else { continue }
            try? FileManager.default.removeItem(at: parent.appendingPathComponent(name))
        }
    }

    /// The URL of a new database, with the schema applied, on the shared server or one of the test's own.
    func migrated(on own: PrivatePostgres? = nil) async throws -> String {
        let server: PrivatePostgres
        if let own { server = own } else { server = try await sharedServer() }
        count += 1
        let name = "gateway_\(count)"
        let admin = try await Database.connect(server.url)
        try await admin.connection.run("create database \(name)")
        await admin.connection.close()
        var logger = Logger(label: "belfry.test")
        logger.logLevel = .error
        let url = server.url(database: name)
        _ = try await Migrator(
            configuration: try PostgresConfiguration(url: url, applicationName: "belfry-test"), logger: logger
        ).apply()
        return url
    }

    func sharedServer() async throws -> PrivatePostgres {
        if let server { return try await server.value }
        Self.removeOldFolders()
        let task = Task {
            try await PrivatePostgres.start(dataDirectory: Self.folder("postgres"), settings: Self.settings)
        }
        server = task
        return try await task.value
    }
}

/// An application's own connection.
struct Database: Sendable {
    let connection: PostgresConnection

    static func connect(_ url: String) async throws -> Database {
        Database(
            connection: try await PostgresConnection.connect(
                try PostgresConfiguration(url: url, applicationName: "application")))
    }

    func text(_ sql: String, _ values: [PostgresValue] = []) async throws -> String? {
        let result = try await connection.execute(PostgresStatement("", sql), values)
        return result.rowCount > 0 ? result.optionalString(0, 0) : nil
    }

    /// Inserts a notification and returns its id.
    func notify(_ user: String, _ data: String = "{}") async throws -> Int64 {
        let id = try await text(
            "insert into belfry.message_log (receiver, type, data) values ($1, 'JSON_MSG', $2::jsonb) returning id",
            [.text(user), .text(data)])
        return id.flatMap { Int64($0) } ?? 0
    }

    /// The transaction that stamped an outbox row.
    func xid(_ id: Int64) async throws -> UInt64 {
        try await text("select xid::text from belfry.outbox where message_id = $1", [.int64(id)]).flatMap(UInt64.init)
            ?? 0
    }

    /// When a message was written, in Unix microseconds.
    func createdAt(_ id: Int64) async throws -> Int64 {
        try await text(
            "select (date_part('epoch', created_at) * 1000000)::bigint from belfry.message_log where id = $1",
            [.int64(id)]
        ).flatMap { Int64($0) } ?? 0
    }

    func status(_ id: Int64) async throws -> String? {
        try await text("select status from belfry.message_log where id = $1", [.int64(id)])
    }

    func outboxCount() async throws -> String? { try await text("select count(*) from belfry.outbox") }

    /// How many rows `belfry.session` holds of a user.
    func sessionRows(of user: String) async throws -> String? {
        try await text("select count(*) from belfry.session where receiver = $1", [.text(user)])
    }

    /// Whether a statement in this database waits for a lock on a table.
    func isSomebodyWaiting() async throws -> Bool {
        try await text(
            """
            select exists (
                select from pg_locks l join pg_database d on d.oid = l.database
                where d.datname = current_database() and not l.granted)::text
            """) == "true"
    }
}
