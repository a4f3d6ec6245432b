import Postgres
import TestBasics

/// An application's own connection: what it says in SQL, as its developers would.
public struct Application: Sendable {
    public let connection: PostgresConnection

    public static func connect(_ url: String) async throws -> Application {
        let connection = try await PostgresConnection.connect(
            try PostgresConfiguration(url: url, applicationName: "application"))
        // PostgreSQL's own default, which an application has and a session of Belfry's has not.
        try await connection.run("set search_path = \"$user\", public")
        return Application(connection: connection)
    }

    /// Runs SQL without an answer; several statements go.
    public func run(_ sql: String) async throws { try await connection.run(sql) }

    /// The first column of the first row.
    public func value(_ sql: String, _ values: [PostgresValue] = []) async throws -> String? {
        let result = try await connection.execute(PostgresStatement("", sql), values)
        return result.rowCount > 0 ? result.optionalString(0, 0) : nil
    }

    /// The first column of every row.
    public func column(_ sql: String, _ values: [PostgresValue] = []) async throws -> [String] {
        let result = try await connection.execute(PostgresStatement("", sql), values)
        return (0..<result.rowCount).map { result.string($0, 0) }
    }

    /// Inserts a notification by plain SQL and returns its id.
    @discardableResult
    public func notify(_ receiver: String, _ data: String = "{}", type: String = "JSON_MSG") async throws -> Int64 {
        let id = try await value(
            "insert into belfry.message_log (receiver, type, data) values ($1, $2, $3::jsonb) returning id",
            [.text(receiver), .text(type), .text(data)])
        return id.flatMap { Int64($0) } ?? 0
    }

    @discardableResult
    public func broadcast(_ topic: String, _ data: String = "{}") async throws -> Int64 {
        let id = try await value(
            "insert into belfry.message_log (topic, type, data) values ($1, 'JSON_MSG', $2::jsonb) returning id",
            [.text(topic), .text(data)])
        return id.flatMap { Int64($0) } ?? 0
    }

    public func status(_ id: Int64) async throws -> String? {
        try await value("select status from belfry.message_log where id = $1", [.int64(id)])
    }

    /// The transaction that stamped a message's row of the outbox.
    public func xid(_ id: Int64) async throws -> UInt64 {
        try await value("select xid::text from belfry.outbox where message_id = $1", [.int64(id)]).flatMap(UInt64.init)
            ?? 0
    }

    /// When a message was written, in Unix microseconds.
    public func createdAt(_ id: Int64) async throws -> Int64 {
        try await value(
            "select (date_part('epoch', created_at) * 1000000)::bigint from belfry.message_log where id = $1",
            [.int64(id)]
        ).flatMap { Int64($0) } ?? 0
    }

    public func outboxCount() async throws -> String? { try await value("select count(*) from belfry.outbox") }

    /// How many rows `belfry.session` holds of a user.
    public func sessionRows(of user: String) async throws -> String? {
        try await value("select count(*) from belfry.session where receiver = $1", [.text(user)])
    }

    /// Whether a statement in this database waits for a lock on a table.
    public func isSomebodyWaiting() async throws -> Bool {
        try await value(
            """
            select exists (
                select from pg_locks l join pg_database d on d.oid = l.database
                where d.datname = current_database() and not l.granted)::text
            """) == "true"
    }

    /// Waits until a message has a status.
    public func waitForStatus(_ status: String, of id: Int64, within limit: Duration = .seconds(20)) async throws {
        try await eventually("message \(id) is \(status)", within: limit) { try await self.status(id) == status }
    }

    public func close() async { await connection.close() }
}
