import BelfryModel
import DatabaseSupport
import Postgres
import Testing

@testable import Outbox

/// Terms, fencing, and another cluster.
@Suite struct RelayStoreTermTests {
    private func makeStore(_ database: TestDatabase) async throws -> RelayStore {
        RelayStore(executor: try await database.connect(role: "test_service"))
    }

    @Test func `a superseded leader changes nothing`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        let old = try await makeStore(database)
        let new = try await makeStore(database)
        let oldTerm = try #require(try await old.takeOver(relay: "old", isDirect: true)).number
        #expect(try await old.advance(to: RelayCursor(snapshot: "5:5:"), broadcasts: [], term: oldTerm) == .complete)
        #expect(try await new.takeOver(relay: "new", isDirect: true) == nil)
        let newTerm = try #require(try await new.takeOver(relay: "new", isDirect: true, hungTerm: oldTerm))
        #expect(newTerm.number == oldTerm + 1)
        #expect(newTerm.cursor == RelayCursor(snapshot: "5:5:"))
        #expect(try await old.advance(to: RelayCursor(snapshot: "9:9:"), broadcasts: [], term: oldTerm) == nil)
        #expect(try await old.beat(term: oldTerm) == nil)
        #expect(try await new.setDoorbell(.armed, term: newTerm.number))
        #expect(try await !old.setDoorbell(.awake, term: oldTerm))
        try await old.resign(term: oldTerm)
        let row = try await connection.rows(
            "select snapshot, relay, leader_seen_at is not null, (select last_value from belfry.doorbell) "
                + "from belfry.relay_cursor")
        #expect(row == [["5:5:", "new", "t", "1"]])
        await connection.close()
    }

    @Test func `a cursor that was deleted is set up again`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        try await connection.run(
            """
            insert into belfry.message_log (receiver, type, data) values ('alice', 'STRING_MSG', '"x"');
            delete from belfry.relay_cursor
            """)
        let store = try await makeStore(database)
        #expect(try await store.takeOver(relay: "first", isDirect: true) == nil)
        let term = try #require(try await store.takeOver(relay: "first", isDirect: true))
        #expect(term.mustStartOver)
        let cursor = try #require(try await store.startOver(term: term.number))
        #expect(try await store.page(after: cursor).rows.count == 1)
        let upTo = try await connection.execute(PostgresStatement("", "select foreign_up_to from belfry.setting"))
        #expect(upTo.int64(0, 0) == 1, "histories know which transaction ids mean nothing any more")
        await connection.close()
    }

    @Test func `the place in a step survives a take-over`() async throws {
        let database = try await TestServer.makeDatabase()
        let old = try await makeStore(database)
        let term = try #require(try await old.takeOver(relay: "old", isDirect: true)).number
        let cursor = RelayCursor(snapshot: "5:9:7", step: .init(target: "9:12:10", xid: 8, messageID: 77))
        #expect(try await old.advance(to: cursor, broadcasts: [], term: term) == .complete)
        try await old.resign(term: term)
        #expect(try await makeStore(database).takeOver(relay: "new", isDirect: true)?.cursor == cursor)
    }

    @Test func `a lease is left to a leader that lives, and taken from one that is silent`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        let first = try await makeStore(database)
        let second = try await makeStore(database)
        let term = try #require(try await first.takeOver(relay: "first", isDirect: false)).number
        #expect(try await second.takeOver(relay: "second", isDirect: false) == nil)
        #expect(try await first.beat(term: term) != nil)
        try await connection.run(
            "update belfry.relay_cursor set leader_seen_at = clock_timestamp() - interval '2.1 seconds'")
        #expect(try await second.takeOver(relay: "second", isDirect: false)?.number == term + 1)
        #expect(try await first.beat(term: term) == nil)
        try await second.resign(term: term + 1)
        #expect(try await first.takeOver(relay: "first", isDirect: false)?.number == term + 2)
        await connection.close()
    }

    @Test func `beats and advances cross without losing the row`() async throws {
        let database = try await TestServer.makeDatabase()
        let store = RelayStore(executor: try await makeClient(database))
        let term = try #require(try await store.takeOver(relay: "test", isDirect: false)).number
        try await withThrowingTaskGroup(of: Void.self) { group in
            for offset in 0..<3 {
                group.addTask {
                    for number in 0..<100 {
                        let cursor = RelayCursor(snapshot: "\(number + 5):\(number + 5):")
                        let isOurs =
                            offset == 0
                            ? try await store.beat(term: term) != nil
                            : try await store.advance(to: cursor, broadcasts: [], term: term) != nil
                        #expect(isOurs)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func `the cursor's row is found by its address`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        try await connection.run("set plan_cache_mode = force_generic_plan")
        for (update, arguments) in [
            (RelayStatements.advance, "1, '5:5:', null, null, null, '{}', '(0,1)'"),
            (RelayStatements.beat, "1, '(0,1)'"),
        ] {
            try await connection.run("prepare moving as \(update.byAddress.sql)")
            let plan = try await connection.rows("explain (costs off) execute moving (\(arguments))").map { $0[0] }
            #expect(plan.contains { $0.contains("Tid Scan on relay_cursor") }, "\(plan.joined(separator: "\n"))")
            try await connection.run("deallocate moving")
        }
        await connection.close()
    }

    private func makeClient(_ database: TestDatabase) async throws -> PostgresClient {
        let client = PostgresClient(configuration: try database.configuration(role: "test_service"), size: 3)
        client.start()
        return client
    }

    @Test func `in another cluster every row is stamped anew and published`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        let store = try await makeStore(database)
        #expect(try await store.takeOver(relay: "first", isDirect: true)?.mustStartOver == false)
        try await connection.run(
            """
            insert into belfry.message_log (receiver, type, data)
            select 'alice', 'STRING_MSG', '"x"' from generate_series(1, 3);
            update belfry.outbox set xid = (message_id * 1000000000)::text::xid8;
            update belfry.relay_cursor
            set system_identifier = 42, snapshot = '9000000000:9000000000:', target = '9000000000:9000000000:',
                position_xid = '8', position_id = 8
            """)
        // One that began before the rows were stamped and commits after it must not come before them.
        let late = try await database.connect()
        try await late.run(
            "begin; insert into belfry.message_log (receiver, type, data) values ('alice', 'STRING_MSG', '\"x\"')")
        let before = try await store.incarnation()
        let term = try #require(try await store.takeOver(relay: "first", isDirect: true))
        #expect(term.mustStartOver)
        let cursor = try #require(try await store.startOver(term: term.number))
        try await late.run("commit")
        await late.close()
        #expect(cursor.step == nil)
        #expect(try await store.incarnation() != before, "what nodes know of the old stamps means nothing")
        let page = try await store.page(after: cursor)
        #expect(page.rows.map { page.messageID($0).rawValue } == [1, 2, 3, 4])
        #expect(page.isLast)
        let next = try await store.page(after: RelayCursor(snapshot: page.target))
        #expect(next.rows.isEmpty)
        #expect(try await store.takeOver(relay: "first", isDirect: true)?.mustStartOver == false)
        await connection.close()
    }

    /// Nodes take the same message with the same stamp for a repeat.
    @Test func `a second restore stamps otherwise than the first`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        let store = try await makeStore(database)
        try await connection.run("insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG')")
        var stamps: [String] = []
        for _ in 0..<2 {
            try await connection.run("update belfry.relay_cursor set system_identifier = 42")
            let term = try #require(try await store.takeOver(relay: "first", isDirect: true))
            #expect(term.mustStartOver)
            _ = try #require(try await store.startOver(term: term.number))
            stamps.append(try await connection.value("select xid from belfry.outbox"))
        }
        #expect(Set(stamps).count == 2)
        await connection.close()
    }

    @Test func `a crash of PostgreSQL shows in the doorbell`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        // A session of PostgreSQL's own would not outlive the crash: only behind a pooler must the page show it.
        let store = RelayStore(executor: try await database.connect(role: "test_service"), isPrepared: false)
        let term = try #require(try await store.takeOver(relay: "test", isDirect: false))
        #expect(try await !store.page(after: term.cursor).serverWasReset)
        #expect(try await store.beat(term: term.number) == LeaderBeat(doorbell: .awake, serverWasReset: false))
        // What recovery does to an unlogged sequence.
        try await connection.run("alter sequence belfry.doorbell restart")
        #expect(try await store.page(after: term.cursor).serverWasReset)
        #expect(try await store.beat(term: term.number) == LeaderBeat(doorbell: .armed, serverWasReset: true))
        await connection.close()
    }
}
