import Foundation
import Postgres
import Testing

/// What a client gets to read: the body of the MESSAGE frame and its header lines.
@Suite struct WireFormTests {
    private func body(_ database: SchemaDatabase, _ columns: String, _ values: String) async throws -> String {
        let id =
            try await database.value(
                "insert into belfry.message_log (\(columns)) values (\(values)) returning id") ?? ""
        try await database.query(
            "update belfry.message_log set created_at = '2024-02-29 12:34:56.789999Z' where id = $1::bigint", .text(id))
        return try await database.value(
            "select belfry.body(m) from belfry.message_log m where id = $1::bigint", .text(id)) ?? ""
    }

    @Test func aUsersMessage() async throws {
        let database = try await SchemaDatabase()
        let text = try await body(database, "receiver, type, data", #"'alice', 'JSON_MSG', '{"a": [1, null]}'"#)
        #expect(
            text == #"{"id":"1","type":"JSON_MSG","receiver":"alice","data":{"a": [1, null]},"viewed":false,"#
                + #""created":1709210096789}"#)
    }

    @Test func aBroadcast() async throws {
        let database = try await SchemaDatabase()
        let text = try await body(database, "topic, type", "'news', 'JSON_MSG'")
        #expect(
            text == #"{"id":"1","type":"JSON_MSG","receiver":null,"topic":"news","data":null,"viewed":false,"#
                + #""created":1709210096789}"#)
    }

    @Test func aViewedOne() async throws {
        let database = try await SchemaDatabase()
        let text = try await body(database, "receiver, type, viewed_at", "'alice', 'JSON_MSG', now()")
        #expect(text.contains(#""viewed":true,"#))
    }

    /// Whatever the text, the body is JSON that says the same.
    @Test(arguments: ["\"quoted\" \\ back", "line\nbreak\ttab\u{1}", "äöü 😀 \u{2028}", "</script>"])
    func textsSurvive(text: String) async throws {
        struct Body: Decodable {
            let id: String
            let receiver: String
            let data: String
        }
        let database = try await SchemaDatabase()
        let id =
            try await database.value(
                "select belfry.notify($1, 'STRING_MSG', to_jsonb($1::text))", .text(text)) ?? ""
        let json = try await database.value("select belfry.body(m) from belfry.message_log m") ?? ""
        let decoded = try JSONDecoder().decode(Body.self, from: Data(json.utf8))
        #expect(decoded.id == id)
        #expect(decoded.receiver == text)
        #expect(decoded.data == text)
    }

    @Test(
        arguments: [
            (nil, ""),
            ("{}", ""),
            (#"{"traceparent": "00-ab-cd-01"}"#, "traceparent:00-ab-cd-01\n"),
            (#"{"n": 1.50, "t": true, "f": false, "e": ""}"#, "e:\nf:false\nn:1.50\nt:true\n"),
            (#"{"a:b\\c": "1:2\n3\r4\\5"}"#, "a\\cb\\\\c:1\\c2\\n3\\r4\\\\5\n"),
            (#"{"ü": "😀 \\n"}"#, "ü:😀 \\\\n\n"),
        ] as [(String?, String)])
    func headersAreEscapedLines(headers: String?, lines: String) async throws {
        let database = try await SchemaDatabase.shared()
        let value: PostgresValue = headers.map { .text($0) } ?? .null
        #expect(try await database.value("select belfry.header_lines($1::jsonb)", value) == lines)
    }

    /// They run for every message published: no call of a function may be left in the plan.
    @Test func theyAreInlined() async throws {
        let database = try await SchemaDatabase()
        let plan = try await database.query(
            """
            explain (verbose, costs off)
            select belfry.body(m), belfry.header_lines(m.headers) from belfry.message_log m
            """
        ).compactMap { $0[0] }.joined(separator: "\n")
        #expect(!plan.contains("belfry.body("), "\(plan)")
        #expect(!plan.contains("belfry.header_lines("), "\(plan)")
    }
}
