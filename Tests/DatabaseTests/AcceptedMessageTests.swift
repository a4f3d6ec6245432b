import Foundation
import Postgres
import TestBasics
import Testing

/// Every way of writing rows that an application may use ends in rows of the outbox.
@Suite struct AcceptedMessageTests {
    private static let insert = "insert into belfry.message_log (receiver, type, data)"

    @Test func aPlainInsertIsQueuedUnderItsTransaction() async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run("begin")
        let id = try await database.value("\(Self.insert) values ('alice', 'JSON_MSG', '{}') returning id")
        let queued = try await database.query(
            "select message_id, receiver, topic, xid = pg_current_xact_id(), attempts, redelivered from belfry.outbox")
        try await database.connection.run("commit")
        #expect(queued == [[id, "alice", nil, "t", "0", "f"]])
        #expect(try await database.statuses() == ["pending"])
    }

    @Test func severalRowsAndSelectsAreQueuedInTheOrderOfTheirIds() async throws {
        let database = try await SchemaDatabase()
        try await database.query("\(Self.insert) values ('a', 'JSON_MSG', '1'), ('b', 'STRING_MSG', '\"x\"')")
        try await database.query("\(Self.insert) select 'user' || i, 'JSON_MSG', '2' from generate_series(1, 500) i")
        let order = try await database.query(
            "select message_id, receiver from belfry.outbox order by xid, ctid")
        #expect(order.map { $0[0] } == (1...502).map(String.init))
        #expect(order.last?[1] == "user500")
    }

    @Test func copyIsQueued() async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run(
            #"""
            copy belfry.message_log (receiver, topic, type, data)
            from program 'printf "alice\t\\N\tJSON_MSG\t{}\n\\N\tnews\tSTRING_MSG\t\"hello\"\n"'
            """#)
        let rows = try await database.query("select receiver, topic from belfry.outbox order by message_id")
        #expect(rows == [["alice", nil], [nil, "news"]])
    }

    @Test func rowsThatOnConflictSkipsAreNotQueued() async throws {
        let database = try await SchemaDatabase()
        let sql = """
            insert into belfry.message_log (receiver, type, data, idempotency_key)
            values ('alice', 'JSON_MSG', '1', 'k1'), ('alice', 'JSON_MSG', '2', $1) on conflict do nothing
            """
        try await database.query(sql, .text("k2"))
        try await database.query(sql, .text("k3"))
        try await database.query(sql, .text("k3"))
        #expect(try await database.value("select count(*) from belfry.message_log") == "3")
        #expect(try await database.value("select count(*) from belfry.outbox") == "3")
    }

    @Test func aSavepointRolledBackTakesItsMessagesWithIt() async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run(
            """
            begin;
            \(Self.insert) values ('kept', 'JSON_MSG', '1');
            savepoint s;
            \(Self.insert) values ('gone', 'JSON_MSG', '2');
            rollback to s;
            savepoint s2;
            \(Self.insert) values ('kept too', 'JSON_MSG', '3');
            release s2;
            commit
            """)
        let rows = try await database.query("select receiver from belfry.outbox order by message_id")
        #expect(rows == [["kept"], ["kept too"]])
        #expect(try await database.value("select count(distinct xid) from belfry.outbox") == "1")
    }

    @Test(arguments: ["read committed", "repeatable read", "serializable"])
    func everyIsolationLevelWorks(level: String) async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run(
            "begin isolation level \(level); \(Self.insert) values ('alice', 'JSON_MSG', '1'); commit")
        #expect(try await database.queued() == ["1"])
    }

    @Test func notifyAndBroadcastAreTheInsert() async throws {
        let database = try await SchemaDatabase()
        let id = try await database.value(
            """
            select belfry.notify('alice', 'STRING_MSG', '"hi"', headers => '{"traceparent": "00-1"}',
                not_before => now() + interval '1 hour', expires_at => now() + interval '2 hours',
                idempotency_key => 'k')
            """)
        let topic = try await database.value("select belfry.broadcast('news', 'JSON_MSG', '1')")
        let log = try await database.query(
            "select id, receiver, topic, type, data, headers, idempotency_key from belfry.message_log order by id")
        #expect(
            log == [
                [id, "alice", nil, "STRING_MSG", "\"hi\"", "{\"traceparent\": \"00-1\"}", "k"],
                [topic, nil, "news", "JSON_MSG", "1", nil, nil],
            ])
        let queued = try await database.query(
            "select not_before is null, expires_at is null from belfry.outbox order by message_id")
        #expect(queued == [["f", "f"], ["t", "t"]])
    }

    @Test func aKeyUsedBeforeReturnsTheFirstId() async throws {
        let database = try await SchemaDatabase()
        let sql = "select belfry.notify('alice', 'JSON_MSG', $1::jsonb, idempotency_key => 'order-17')"
        let first = try await database.value(sql, .text("1"))
        #expect(try await database.value(sql, .text("2")) == first)
        #expect(try await database.value("select data from belfry.message_log") == "1")

        let plain = try await database.refusal(
            """
            insert into belfry.message_log (receiver, type, data, idempotency_key)
            values ('alice', 'JSON_MSG', '1', 'order-17')
            """)
        #expect(plain.sqlState == "23505")
    }

    @Test func aKeyOfATransactionStillRunningIsWaitedFor() async throws {
        let database = try await SchemaDatabase()
        let other = try await database.connect()
        let sql = "select belfry.notify('alice', 'JSON_MSG', '1', idempotency_key => 'k')"
        try await other.run("begin")
        let first = try await other.query(sql)
        async let second = database.query(sql)
        try await eventually("the second writer waits for the first") {
            try await other.query("select count(*) from pg_locks where not granted") != [["0"]]
        }
        try await other.run("commit")
        #expect(try await second == first)
    }

    @Test func aTimeThatHasPassedHoldsNothingBack() async throws {
        let database = try await SchemaDatabase()
        try await database.query("select belfry.notify('a', 'JSON_MSG', '1', not_before => now() - interval '1 s')")
        try await database.query("select belfry.notify('a', 'JSON_MSG', '1', expires_at => now() - interval '1 s')")
        let rows = try await database.query("select not_before, expires_at < now() from belfry.outbox order by 2")
        #expect(rows == [[nil, "t"], [nil, nil]])
    }

    @Test(arguments: [
        ("infinity", nil), ("-infinity", "1970-01-01 00:00:00"), ("4713-01-01 BC", "1970-01-01 00:00:00"),
    ])
    func anExpiryWithoutANumberIsQueuedAsOneThatHasOne(expiresAt: String, queued: String?) async throws {
        let database = try await SchemaDatabase()
        try await database.query(
            "\(Self.insert.replacing(")", with: ", expires_at)")) values ('alice', 'JSON_MSG', '1', '\(expiresAt)')")
        let rows = try await database.query("select (expires_at at time zone 'UTC')::text from belfry.outbox")
        #expect(rows == [[queued]])
        _ = try await database.query("select belfry.replay(receiver => 'alice')")
        #expect(try await database.value("select count(*) from belfry.outbox where expires_at = 'infinity'") == "0")
    }

    @Test func historyFromElsewhereIsNotQueued() async throws {
        let database = try await SchemaDatabase()
        try await database.query(
            """
            insert into belfry.message_log (receiver, type, data, status, delivered_at)
            values ('alice', 'JSON_MSG', '1', 'delivered', now())
            """)
        #expect(try await database.queued().isEmpty)
    }
}
