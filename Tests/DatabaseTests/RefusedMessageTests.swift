import Postgres
import Testing

/// What an application sees when its message is refused, and that nothing of it stays.
@Suite struct RefusedMessageTests {
    /// An INSERT and the words of its refusal.
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let columns: String
        let values: String
        var state = "23514"
        let message: String
        var detail: String?
        var hint: String?
    }

    static let addresses = [
        Case(
            testDescription: "neither receiver nor topic", columns: "type, data", values: "'JSON_MSG', '1'",
            message: "A notification needs a receiver or a topic, but this one (type \"JSON_MSG\") has neither.",
            hint: "Give receiver (a user's id) for one user, or topic for everybody who is subscribed to it."),
        Case(
            testDescription: "both receiver and topic", columns: "receiver, topic, type",
            values: "'alice', 'news', 'JSON_MSG'",
            message: "A notification goes to a receiver or to a topic, but this one has both: "
                + "receiver \"alice\", topic \"news\".",
            hint: "Insert two rows to reach both."),
        Case(
            testDescription: "an empty receiver", columns: "receiver, type", values: "'', 'JSON_MSG'",
            message: "The receiver of a notification (type \"JSON_MSG\") is empty; it needs 1 to 255 bytes."),
        Case(
            testDescription: "an empty topic", columns: "topic, type", values: "'', 'JSON_MSG'",
            message: "The topic of a notification (type \"JSON_MSG\") is empty; it needs 1 to 255 bytes."),
        Case(
            testDescription: "a receiver of 256 bytes", columns: "receiver, type",
            values: "repeat('é', 128), 'JSON_MSG'",
            message: "The receiver \"\(String(repeating: "é", count: 60))…\" has 256 bytes of UTF-8; the limit is "
                + "255."),
        Case(
            testDescription: "a topic of 256 bytes", columns: "topic, type", values: "repeat('t', 256), 'JSON_MSG'",
            message: "The topic \"\(String(repeating: "t", count: 60))…\" has 256 bytes of UTF-8; the limit is 255."),
    ]

    static let contents = [
        Case(
            testDescription: "an unknown type like another", columns: "receiver, type", values: "'alice', 'StringMsg'",
            state: "23503", message: "The notification type \"StringMsg\" (receiver \"alice\") is not registered.",
            hint: "Names like it: \"STRING_MSG\". A type is registered by: "
                + "select belfry.register_type('StringMsg', '{\"type\": \"object\"}')"),
        Case(
            testDescription: "an unknown type like none", columns: "topic, type", values: "'news', 'O''Hara'",
            state: "23503", message: "The notification type \"O'Hara\" (topic \"news\") is not registered.",
            hint: "A type is registered by: select belfry.register_type('O''Hara', '{\"type\": \"object\"}')"),
        Case(
            testDescription: "data of another kind", columns: "receiver, type, data",
            values: "'alice', 'STRING_MSG', '[]'",
            message: "The data of the notification (receiver \"alice\", type \"STRING_MSG\") does not match the type's "
                + "schema: data must be of type string, but is an array.",
            detail: "data: must be of type string, but is an array",
            hint: "The schema: select schema from belfry.notification_type where name = 'STRING_MSG'"),
        Case(
            testDescription: "data wrong deep inside", columns: "receiver, type, data",
            values: #"'alice', 'ORDER_CREATED', '{"order": {"number": 1, "items": [{}, {}, {"price": "12"}]}}'"#,
            message:
                "The data of the notification (receiver \"alice\", type \"ORDER_CREATED\") does not match the type's "
                + "schema: data.order.items[2].price must be of type number, but is a string.",
            detail: "data.order.items[2].price: must be of type number, but is a string",
            hint: "The schema: select schema from belfry.notification_type where name = 'ORDER_CREATED'"),
        Case(
            testDescription: "data over the limit", columns: "receiver, type, data",
            values: "'alice', 'STRING_MSG', to_jsonb(repeat('x', 262143))",
            message: "The data of the notification (receiver \"alice\", type \"STRING_MSG\") has 262145 bytes of JSON "
                + "text; the limit is 262144.",
            hint: "Send a reference that the client can fetch. The limit is set by belfry.setting.data_bytes_max."),
        Case(
            testDescription: "an expiry before the release", columns: "receiver, type, not_before, expires_at",
            values: "'alice', 'JSON_MSG', '2030-01-02Z', '2030-01-01Z'",
            message: "The notification (receiver \"alice\", type \"JSON_MSG\") would expire at 2030-01-01 00:00:00+00 "
                + "but is held back until 2030-01-02 00:00:00+00.",
            hint: "expires_at must be later than not_before."),
        Case(
            testDescription: "created at no time", columns: "receiver, type, created_at",
            values: "'alice', 'JSON_MSG', 'infinity'",
            message:
                "The notification (receiver \"alice\", type \"JSON_MSG\") was created at infinity, which is not a "
                + "finite time.",
            hint: "Leave created_at out: it is the statement's time."),
        Case(
            testDescription: "held back for ever", columns: "receiver, type, not_before",
            values: "'alice', 'JSON_MSG', 'infinity'",
            message: "The notification (receiver \"alice\", type \"JSON_MSG\") would be held back for ever: its "
                + "not_before is infinity.",
            hint: "Give a time, or null to send it at once."),
    ]

    static let headers: [Case] = [
        ("[]", "must be a JSON object, but are an array"),
        ("null", "must be a JSON object, but are null"),
        (#"{"": "x"}"#, "have an entry without a name"),
        (#"{"a": null}"#, #"must hold strings, numbers and booleans, but "a" is null"#),
        (#"{"a": {}}"#, #"must hold strings, numbers and booleans, but "a" is an object"#),
    ].map { header($0.0, $0.1) }

    static let reservedHeaders: [Case] = [
        "message-id", "subscription", "destination", "content-type", "content-length", "ack", "redelivered", "receipt",
        "receipt-id", "heart-beat",
    ].map { header("{\"\($0)\": \"x\"}", "have the name \"\($0)\", which STOMP reserves") }

    private static func header(_ json: String, _ problem: String) -> Case {
        Case(
            testDescription: "headers \(json)", columns: "receiver, type, headers",
            values: "'alice', 'JSON_MSG', '\(json)'",
            message: "The headers of the notification (receiver \"alice\", type \"JSON_MSG\") \(problem).")
    }

    static let sizedHeaders = [
        Case(
            testDescription: "33 headers", columns: "receiver, type, headers",
            values: "'alice', 'JSON_MSG', (select jsonb_object_agg('h' || i, i) from generate_series(1, 33) i)",
            message:
                "The headers of the notification (receiver \"alice\", type \"JSON_MSG\") have 33 entries; "
                + "the limit is 32."
        ),
        Case(
            testDescription: "headers of 8 KiB and a byte", columns: "receiver, type, headers",
            values: "'alice', 'JSON_MSG', jsonb_build_object('h', repeat('x', 8184))",
            message:
                "The headers of the notification (receiver \"alice\", type \"JSON_MSG\") have 8193 bytes of JSON text; "
                + "the limit is 8192."),
    ]

    @Test(arguments: addresses + contents + headers + reservedHeaders + sizedHeaders)
    func theWriterIsToldAndNothingStays(refused: Case) async throws {
        let database = try await SchemaDatabase.shared()
        try await database.connection.run("set timezone = 'UTC'; create temp table business (id int)")
        try await database.connection.run("begin")
        try await database.query("insert into business values (1)")
        try await database.query(
            "insert into belfry.message_log (receiver, type, data) values ('bob', 'JSON_MSG', '1')")

        let error = try await database.refusal(
            "insert into belfry.message_log (\(refused.columns)) values (\(refused.values))")
        #expect(error.sqlState == refused.state)
        #expect(error.message.contains(refused.message), "\(error.message)")
        #expect(error.detail == refused.detail)
        #expect(error.hint == refused.hint)

        try await database.connection.run("commit")
        let left = try await database.query(
            "select (select count(*) from business), (select count(*) from belfry.message_log), "
                + "(select count(*) from belfry.outbox)")
        #expect(left == [["0", "0", "0"]])
    }

    @Test func oneWrongRowOfManyRefusesTheStatement() async throws {
        let database = try await SchemaDatabase()
        let error = try await database.refusal(
            """
            insert into belfry.message_log (receiver, type, data)
            select 'user' || i, case i when 700 then 'NO_SUCH' else 'JSON_MSG' end, '1' from generate_series(1, 1000) i
            """)
        #expect(error.message.contains("\"NO_SUCH\" (receiver \"user700\")"))
        #expect(try await database.statuses().isEmpty)
    }

    @Test func aRefusalBehindASavepointLeavesTheRest() async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run("begin")
        try await database.query("select belfry.notify('alice', 'JSON_MSG', '1')")
        try await database.connection.run("savepoint s")
        _ = try await database.refusal("select belfry.notify('alice', 'NO_SUCH', '1')")
        try await database.connection.run("rollback to s; commit")
        #expect(try await database.queued() == ["1"])
    }

    @Test func whatJustFitsIsAccepted() async throws {
        let database = try await SchemaDatabase()
        try await database.query(
            """
            insert into belfry.message_log (receiver, type, data, headers)
            values (repeat('r', 255), 'STRING_MSG', to_jsonb(repeat('x', 262142)),
                    jsonb_build_object('h', repeat('x', 8183))),
                ('alice', 'JSON_MSG', '1', (select jsonb_object_agg('h' || i, i) from generate_series(1, 32) i))
            """)
        #expect(try await database.queued().count == 2)
    }

    @Test func theLimitOfDataIsASetting() async throws {
        let database = try await SchemaDatabase()
        try await database.query("update belfry.setting set data_bytes_max = 10")
        try await database.query("select belfry.notify('alice', 'STRING_MSG', '\"12345678\"')")
        let error = try await database.refusal("select belfry.notify('alice', 'STRING_MSG', '\"123456789\"')")
        #expect(error.message.contains("has 11 bytes of JSON text; the limit is 10."))
    }

    @Test(arguments: ["null", "'unread'"])
    func aStatusThatIsNoneIsRefused(status: String) async throws {
        let database = try await SchemaDatabase()
        let error = try await database.refusal(
            "insert into belfry.message_log (receiver, type, status) values ('a', 'JSON_MSG', \(status))")
        #expect(["23502", "23514"].contains(error.sqlState))
    }

    @Test(arguments: ["''", "repeat('k', 256)"])
    func aKeyThatIsEmptyOrTooLongIsRefused(key: String) async throws {
        let database = try await SchemaDatabase()
        let error = try await database.refusal(
            "select belfry.notify('alice', 'JSON_MSG', '1', idempotency_key => \(key))")
        #expect(error.sqlState == "23514")
        #expect(error.message.contains("message_log_idempotency_key_has_1_to_255_bytes"))
    }
}
