import BelfryModel
import DatabaseSupport
import Foundation
import Postgres
import Synchronization
import Testing

@testable import Outbox

/// Messages are written out as they are.
@Suite struct ExportTests {
    private static func export(
        _ format: ExportFormat, _ criteria: ExportCriteria = ExportCriteria(), from database: TestDatabase
    ) async throws -> [String] {
        let connection = try await database.connect(role: "test_operator")
        let rows = Mutex<[String]>([])
        try await ExportStore(connection: connection).run(criteria, format: format) { row in
            rows.withLock { $0.append(String(decoding: row, as: UTF8.self)) }
        }
        await connection.close()
        return rows.withLock { $0 }
    }

    private static let odd = #"{"n": 12345678901234567890.10, "text": "a,\"b\"\n\\c\u0001 'ü"}"#

    @Test func `a line of JSON holds a message as it was sent`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        _ = try await connection.execute(
            PostgresStatement(
                "",
                """
                insert into belfry.message_log (receiver, type, data, headers, expires_at, idempotency_key)
                values ('al''ice\\', 'JSON_MSG', $1::jsonb, '{"a": 1}', '2100-01-01T02:00:00+02', 'k')
                """), [.text(Self.odd)])
        let lines = try await Self.export(.ndjson, from: database)
        #expect(lines.count == 1)
        let line = try #require(lines.first)
        #expect(line.hasSuffix("}\n") && line.contains("12345678901234567890.10"))
        let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        #expect(object?["id"] as? String == "1" && object?["receiver"] as? String == "al'ice\\")
        #expect(object?["status"] as? String == "pending" && object?["idempotencyKey"] as? String == "k")
        #expect(object?["expiresAt"] as? String == "2100-01-01T00:00:00.000000Z")
        #expect((object?["data"] as? [String: Any])?["text"] as? String == "a,\"b\"\n\\c\u{1} 'ü")
        #expect(object?["topic"] is NSNull && object?.count == 16)
        await connection.close()
    }

    @Test func `csv has a heading, and its values are quoted`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        try await connection.run(
            "insert into belfry.message_log (topic, type, data) values ('a,b', 'STRING_MSG', '\"x\"')")
        let rows = try await Self.export(.csv, from: database)
        #expect(rows.count == 2)
        #expect(rows[0].hasPrefix("id,receiver,topic,type,data,headers,status,"))
        #expect(rows[1].hasPrefix("1,,\"a,b\",STRING_MSG,\"\"\"x\"\"\",,pending,"))
        await connection.close()
    }

    @Test func `all criteria count, and gaps between ids are passed over`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        try await connection.run(
            """
            insert into belfry.message_log (id, receiver, type, created_at) overriding system value
            select i, 'user' || i % 2, 'JSON_MSG', now() - interval '10 days' from generate_series(1, 10) i;
            insert into belfry.message_log (id, receiver, type, data) overriding system value values
                (30005, 'user1', 'JSON_MSG', '1'), (9000000000000000000, 'user1', 'JSON_MSG', '1'),
                (9223372036854775807, 'user1', 'STRING_MSG', '"x"')
            """)
        let ids = { (criteria: ExportCriteria) in
            try await Self.export(.csv, criteria, from: database).dropFirst().map { $0.prefix { $0 != "," } }
        }
        #expect(try await ids(ExportCriteria()).count == 13)
        var criteria = ExportCriteria()
        criteria.receiver = "user1"
        #expect(
            try await ids(criteria)
                == ["1", "3", "5", "7", "9", "30005", "9000000000000000000", "9223372036854775807"])
        criteria.since = "2020-01-01T00:00:00Z"
        criteria.until = (Date.now - 86_400).formatted(.iso8601)
        #expect(try await ids(criteria) == ["1", "3", "5", "7", "9"])
        criteria.until = nil
        criteria.type = "STRING_MSG"
        criteria.status = "pending"
        #expect(try await ids(criteria) == ["9223372036854775807"])
        criteria.receiver = #"' or true --\"#
        #expect(try await ids(criteria).isEmpty)
        criteria.since = "soon"
        await #expect(throws: PostgresError.self) { _ = try await ids(criteria) }
        await connection.close()
    }

    @Test func `who no longer reads ends it`() async throws {
        struct Enough: Error {}
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        try await connection.run(
            """
            insert into belfry.message_log (receiver, type)
            select 'alice', 'JSON_MSG' from generate_series(1, 1000)
            """)
        let other = try await database.connect(role: "test_operator")
        let count = Mutex(0)
        await #expect(throws: PostgresError.self) {
            try await ExportStore(connection: other).run(ExportCriteria(), format: .ndjson) { _ in
                if count.withLock({
                    $0 += 1; return $0 == 10
                }) {
                    throw Enough()
                }
            }
        }
        #expect(count.withLock { $0 } == 10 && other.isClosed)
        await connection.close()
    }
}
