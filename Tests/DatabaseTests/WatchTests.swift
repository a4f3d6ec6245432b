import DatabaseSupport
import Postgres
import Testing

/// Watches, and who wrote a message that asks for a trace.
@Suite struct WatchTests {
    private static let sampled = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    @Test func anOperatorSetsAndEndsOneAndBothAreKept() async throws {
        let database = try await TestServer.makeDatabase()
        let (owner, people) = (try await database.connect(), try await database.connect(role: "test_operator"))
        #expect(try await people.value("select belfry.set_watch('alice')") == "1")
        #expect(
            try await people.value("select belfry.set_watch(type => 'JSON_MSG', until => now() + interval '2 days')")
                == "2")
        let rows = try await people.rows(
            """
            select id, receiver, type, who, round(extract(epoch from until - set_at) / 3600)
            from belfry.watch order by 1
            """
        )
        #expect(rows == [["1", "alice", "-", "test_operator", "1"], ["2", "-", "JSON_MSG", "test_operator", "48"]])
        #expect(try await people.value("select belfry.end_watch(1)") == "t")
        #expect(try await people.value("select belfry.end_watch(1)") == "f")
        let acts = try await owner.rows(
            """
            select who, act, details ->> 'watch', coalesce(details ->> 'receiver', details ->> 'type')
            from belfry.audit order by id
            """)
        #expect(
            acts == [
                ["test_operator", "watch_set", "1", "alice"], ["test_operator", "watch_set", "2", "JSON_MSG"],
                ["test_operator", "watch_ended", "1", "alice"],
            ])
        for connection in [owner, people] { await connection.close() }
    }

    @Test(arguments: [
        ("select belfry.set_watch()", "for a receiver or for a type"),
        ("select belfry.set_watch('a', 'JSON_MSG')", "for a receiver or for a type"),
        ("select belfry.set_watch('')", "1 to 255 bytes"),
        ("select belfry.set_watch(repeat('x', 256))", "1 to 255 bytes"),
        ("select belfry.set_watch(type => 'JSON_MSGS')", "is not registered"),
        ("select belfry.set_watch('a', until => now())", "within the next 7 days"),
        ("select belfry.set_watch('a', until => now() + interval '8 days')", "within the next 7 days"),
    ])
    func whatIsNoWatchIsRefusedInASentence(statement: String, part: String) async throws {
        let database = try await SchemaDatabase.shared()
        let error = try await database.refusal(statement)
        #expect(error.message.contains(part), "\(error.message)")
    }

    @Test func thereAreAHundredAtMostAndThoseThatEndedDoNotCount() async throws {
        let database = try await SchemaDatabase()
        try await database.query("select belfry.set_watch('user' || i) from generate_series(1, 100) i")
        let error = try await database.refusal("select belfry.set_watch('one more')")
        #expect(error.message.contains("100 watches already"))
        try await database.query("update belfry.watch set until = now() - interval '1 second' where id <= 50")
        try await database.query("select belfry.set_watch('one more')")
        #expect(try await database.value("select count(*) from belfry.watch") == "51")
    }

    @Test func whoWroteIsNotedWhereATraceIsAskedFor() async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run("set application_name = 'checkout'")
        try await database.query(
            """
            insert into belfry.message_log (receiver, type, data, headers) values
                ('a', 'JSON_MSG', '1', jsonb_build_object('traceparent', '\(Self.sampled)')),
                ('b', 'JSON_MSG', '1', null),
                ('c', 'JSON_MSG', '1', '{"x": 1}'),
                ('d', 'JSON_MSG', '1', jsonb_build_object('traceparent', replace('\(Self.sampled)', '-01', '-00'))),
                ('e', 'JSON_MSG', '1', '{"traceparent": true}')
            """)
        let rows = try await database.query(
            """
            select m.receiver, h.details ->> 'role', h.details ->> 'application'
            from belfry.message_log m left join belfry.hop h on h.message_id = m.id and h.what = 'written' order by 1
            """)
        #expect(
            rows == [
                ["a", "postgres", "checkout"], ["b", nil, nil], ["c", nil, nil], ["d", nil, nil], ["e", nil, nil],
            ])
    }

    /// As `TraceParent` reads it, of which these are the cases.
    @Test func whatIsNoContextAsksForNoTrace() async throws {
        let database = try await SchemaDatabase()
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")
        let cases = [
            ("00-\(String(repeating: "0", count: 32))-\(span)-01", false), ("00-\(trace)-0000000000000000-01", false),
            ("00-\(trace.uppercased())-\(span)-01", false), ("00-\(trace)-\(span)-0", false),
            ("00-\(trace)-\(span)-01-x", false), ("00-\(trace)-\(span)-011", false), ("ff-\(trace)-\(span)-01", false),
            ("0g-\(trace)-\(span)-01", false), ("00_\(trace)-\(span)-01", false), ("cc-\(trace)-\(span)-01", true),
            ("cc-\(trace)-\(span)-01-more", true), ("cc-\(trace)-\(span)-01.more", false),
            ("00-0000000000000000000000000000000a-0000000000000001-01", true), ("", false),
            ("00-\(trace)-\(span)-0f", true), ("00-\(trace)-\(span)-f0", false), ("00-\(trace)-\(span)-g1", false),
        ]
        for (text, isOne) in cases {
            let id = try #require(
                try await database.value(
                    """
                    insert into belfry.message_log (receiver, type, data, headers)
                    values ('a', 'JSON_MSG', '1', jsonb_build_object('traceparent', '\(text)')) returning id
                    """))
            let noted = try await database.value("select count(*) from belfry.hop where message_id = \(id)")
            #expect(noted == (isOne ? "1" : "0"), "\(text)")
        }
    }

    /// Whatever somebody does with what is kept for traces, an application's transaction does not wait for it.
    @Test func noApplicationWaitsForATrace() async throws {
        let database = try await SchemaDatabase()
        let insert = """
            insert into belfry.message_log (receiver, type, data, headers)
            select 'a', 'JSON_MSG', '1', jsonb_build_object('traceparent', '\(Self.sampled)')
            from generate_series(1, 3)
            """
        let locker = try await database.connect()
        try await locker.run("begin; lock table belfry.hop, belfry.watch in access exclusive mode")
        try await database.connection.run("set lock_timeout = '1s'")
        try await database.query(insert)
        try await locker.run("rollback")
        #expect(try await database.value("select count(*) from belfry.outbox") == "3")
        #expect(try await database.value("select count(*) from belfry.hop") == "0")
        try await database.connection.run("begin; \(insert); rollback")
        #expect(try await database.value("select count(*) from belfry.hop") == "0", "it is of the same transaction")
        try await database.query(insert)
        #expect(try await database.value("select count(*) from belfry.hop where what = 'written'") == "3")
        await locker.close()
    }
}
