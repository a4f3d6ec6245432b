import DatabaseSupport
import Foundation
import Postgres
import Testing

/// A fresh database with the schema, and a connection of the superuser to it.
struct SchemaDatabase: Sendable {
    let url: String
    let connection: PostgresConnection

    /// A type with a schema deep enough to have paths in it.
    static let orderSchema = """
        {"type": "object", "required": ["order"], "additionalProperties": false, "properties": {"order": {
            "type": "object", "required": ["number"], "properties": {
                "number": {"type": "integer", "minimum": 1},
                "items": {"type": "array", "items": {"type": "object", "properties": {
                    "price": {"type": "number"}, "gift note": {"type": "string", "maxLength": 10}}}}}}}}
        """

    init() async throws {
        try await self.init(url: TestServer.makeDatabase().url)
    }

    /// The one database, with the type ORDER_CREATED, of the tests that leave nothing in it; and a connection of one's
    /// own.
    static func shared() async throws -> SchemaDatabase {
        try await SchemaDatabase(url: sharing.value)
    }

    private static let sharing = Task {
        let database = try await SchemaDatabase()
        try await database.registerOrderType()
        await database.connection.close()
        return database.url
    }

    private init(url: String) async throws {
        self.url = url
        connection = try await Application.connect(url).connection
    }

    /// The URL of another database of the same server.
    func url(of database: String) -> String {
        (url.split(separator: "/", omittingEmptySubsequences: false).dropLast() + [database[...]]).joined(
            separator: "/")
    }

    /// A second session.
    func connect() async throws -> PostgresConnection { try await Application.connect(url).connection }

    func registerOrderType() async throws {
        try await query("select belfry.register_type('ORDER_CREATED', $1::jsonb)", .text(Self.orderSchema))
    }

    /// Runs one statement and returns its rows; null is nil.
    @discardableResult
    func query(_ sql: String, _ values: PostgresValue...) async throws -> [[String?]] {
        try await connection.query(sql, values)
    }

    /// The first column of the first row.
    func value(_ sql: String, _ values: PostgresValue...) async throws -> String? {
        try await connection.query(sql, values).first?.first ?? nil
    }

    /// The error that the statement ends in. No error is a failed test.
    func refusal(
        _ sql: String, _ values: PostgresValue..., sourceLocation: SourceLocation = #_sourceLocation
    ) async throws -> PostgresError {
        do {
            _ = try await connection.query(sql, values)
        } catch let error as PostgresError {
            return error
        }
        Issue.record("The statement was not refused: \(sql)", sourceLocation: sourceLocation)
        throw Unrefused()
    }

    /// The statuses of all messages, by id.
    func statuses() async throws -> [String] {
        try await query("select status from belfry.message_log order by id").compactMap { $0.first ?? nil }
    }

    /// The ids in the outbox, in order.
    func queued() async throws -> [String] {
        try await query("select message_id from belfry.outbox order by message_id").compactMap { $0.first ?? nil }
    }

    private struct Unrefused: Error {}
}

extension PostgresConnection {
    /// Runs one statement and returns its rows; null is nil.
    @discardableResult
    func query(_ sql: String, _ values: [PostgresValue] = []) async throws -> [[String?]] {
        let result = try await execute(PostgresStatement("", sql), values)
        return (0..<result.rowCount).map { row in
            (0..<result.columnCount).map { result.optionalString(row, $0) }
        }
    }
}
