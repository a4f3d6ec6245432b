import BelfryModel
import DatabaseSupport
import Postgres
import TestBasics
import Testing

@testable import Outbox

/// What `belfry tail` finds of what applications commit.
@Suite struct TailStoreTests {
    private static let insert =
        "insert into belfry.message_log (receiver, type, data) values ('alice', 'STRING_MSG', '\"x\"')"

    /// A store as an operator has it, and its connection.
    private func tail(
        _ database: TestDatabase, _ criteria: TailCriteria = TailCriteria(), wholeObjects: Bool = false,
        watches: Bool = false
    ) async throws -> (TailStore, PostgresConnection) {
        let connection = try await database.connect(role: "test_operator")
        return (
            try await TailStore(criteria, wholeObjects: wholeObjects, watches: watches, executor: connection),
            connection
        )
    }

    private func ids(_ store: inout TailStore, _ connection: PostgresConnection) async throws -> [Int64] {
        try await store.look(connection).messages.map(\.id.rawValue)
    }

    @Test func `what is committed later is found later, and what is rolled back never`() async throws {
        let database = try await TestServer.makeDatabase()
        let early = try await database.connect()
        let late = try await database.connect()
        let quick = try await database.connect()
        // 1 was there before, 2 is open already.
        try await quick.run(Self.insert)
        try await early.run("begin; \(Self.insert)")
        try await quick.run(Self.insert)
        var (store, connection) = try await tail(database)
        #expect(try await ids(&store, connection) == [])
        try await late.run("begin; \(Self.insert); \(Self.insert)")
        try await quick.run(Self.insert)
        #expect(try await ids(&store, connection) == [6])
        try await quick.run(Self.insert)
        try await early.run("commit")
        #expect(try await ids(&store, connection) == [2, 7])
        // Delivered and gone from the outbox before anybody has looked.
        try await late.run(
            "commit; delete from belfry.outbox; update belfry.message_log set status = 'delivered'")
        try await quick.run("begin; \(Self.insert)")
        try await quick.run("rollback; \(Self.insert)")
        let (messages, isFull) = try await store.look(connection)
        #expect(messages.map(\.id.rawValue) == [4, 5, 9] && !isFull)
        #expect(messages.map(\.status) == ["delivered", "delivered", "pending"])
        #expect(try await ids(&store, connection) == [])
        for one in [early, late, quick, connection] { await one.close() }
    }

    /// The id is taken, then a slow function runs, and only the row gives the transaction its id.
    @Test func `a statement that takes long between its id and its row is not missed`() async throws {
        let database = try await TestServer.makeDatabase()
        let slow = try await database.connect()
        let quick = try await database.connect()
        var (store, connection) = try await tail(database)
        let began = Task {
            try await slow.run(
                """
                insert into belfry.message_log (receiver, type, data)
                values ('alice', 'STRING_MSG', to_jsonb(pg_sleep(1.5)::text))
                """)
        }
        try await eventually("it has its id") {
            try await quick.value("select last_value from belfry.message_log_id_seq where is_called") == "1"
        }
        var found: [Int64] = []
        for _ in 0..<5 {
            try await quick.run(Self.insert)
            found += try await ids(&store, connection)
        }
        #expect(found == [2, 3, 4, 5, 6])
        try await began.value
        #expect(try await ids(&store, connection) == [1])
        for one in [slow, quick, connection] { await one.close() }
    }

    /// A snapshot's list ends with the latest transaction that is over: one that began later is not in it.
    @Test func `a transaction that runs and is in no snapshot is not missed`() async throws {
        let database = try await TestServer.makeDatabase()
        let first = try await database.connect()
        let second = try await database.connect()
        var (store, connection) = try await tail(database)
        try await first.run("begin; \(Self.insert)")
        try await second.run("begin; \(Self.insert)")
        try await first.run("\(Self.insert); commit")
        #expect(try await ids(&store, connection) == [1, 3])
        #expect(try await ids(&store, connection) == [])
        try await second.run("commit")
        #expect(try await ids(&store, connection) == [2])
        for one in [first, second, connection] { await one.close() }
    }

    @Test func `it is chosen by type, topic, receiver and time`() async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await database.connect()
        try await application.run(
            """
            insert into belfry.message_log (receiver, topic, type, data, created_at) values
                ('alice', null, 'STRING_MSG', '"x"', now() - interval '2 hours'),
                ('alice', null, 'JSON_MSG', '{"n": 12345678901234567890.10}', default),
                ('bob', null, 'JSON_MSG', '1', default),
                (null, 'news', 'JSON_MSG', '1', default),
                (null, 'other', 'STRING_MSG', '"x"', default)
            """)
        func found(_ change: (inout TailCriteria) -> Void) async throws -> [Int64] {
            var criteria = TailCriteria()
            criteria.since = "2000-01-01T00:00:00Z"
            change(&criteria)
            var (store, connection) = try await tail(database, criteria)
            let found = try await ids(&store, connection)
            await connection.close()
            return found
        }
        #expect(try await found { _ in } == [1, 2, 3, 4, 5])
        #expect(try await found { $0.types = ["JSON_MSG"] } == [2, 3, 4])
        #expect(try await found { $0.types = ["JSON_MSG", "STRING_MSG"] } == [1, 2, 3, 4, 5])
        #expect(try await found { $0.topics = ["news"] } == [4])
        #expect(try await found { ($0.topics, $0.receivers) = (["news"], ["bob"]) } == [3, 4])
        #expect(try await found { ($0.receivers, $0.types) = (["alice"], ["STRING_MSG"]) } == [1])
        let hourAgo = try await application.value("select now() - interval '1 hour'")
        #expect(try await found { $0.since = hourAgo } == [2, 3, 4, 5])
        #expect(try await found { $0.since = "2999-01-01T00:00:00Z" } == [])
        await #expect(throws: PostgresError.self) { _ = try await found { $0.since = "soon" } }

        var criteria = TailCriteria()
        (criteria.since, criteria.types, criteria.receivers) = (hourAgo, ["JSON_MSG"], ["alice"])
        var (store, connection) = try await tail(database, criteria, wholeObjects: true)
        let message = try #require(try await store.look(connection).messages.first)
        #expect(message.json.contains("12345678901234567890.10") && message.json.contains(#""receiver" : "alice""#))
        #expect(message.createdAt.firstMatch(of: /^\d{4}-\d\d-\d\dT.*Z$/) != nil)
        for one in [application, connection] { await one.close() }
    }

    @Test func `pages are bounded by rows and by bytes, and join`() async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await database.connect()
        var (store, connection) = try await tail(database)
        // The types of most are not wanted: a page ends all the same.
        try await application.run(
            """
            insert into belfry.message_log (receiver, type, data)
            select 'alice', 'JSON_MSG', to_jsonb(n) from generate_series(1, 4500) n
            """)
        var sizes: [Int] = []
        var found: [Int64] = []
        for _ in 0..<3 {
            let (messages, isFull) = try await store.look(connection)
            sizes.append(messages.count)
            found += messages.map(\.id.rawValue)
            #expect(isFull == (sizes.count < 3))
        }
        #expect(sizes == [2_000, 2_000, 500] && found == Array(1...4_500))
        try await application.run(
            """
            alter table belfry.message_log alter column data set storage external;
            insert into belfry.message_log (receiver, type, data)
            select 'alice', 'STRING_MSG', to_jsonb(repeat('x', 200000)) from generate_series(1, 50)
            """)
        let (messages, isFull) = try await store.look(connection)
        #expect(messages.count == 21 && isFull)
        #expect(try await ids(&store, connection).first == 4_522)
        for one in [application, connection] { await one.close() }
    }

    @Test func `what becomes of a message is told once`() async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await database.connect()
        var (store, connection) = try await tail(database, watches: true)
        try await application.run("\(Self.insert); \(Self.insert); \(Self.insert)")
        #expect(try await ids(&store, connection) == [1, 2, 3])
        #expect(try await store.changes(connection).isEmpty)
        try await application.run(
            """
            update belfry.message_log set status = 'delivered', delivered_at = now() where id = 2;
            update belfry.message_log set status = 'parked', status_reason = 'no' where id = 1
            """)
        let changes = try await store.changes(connection)
        #expect(changes.map(\.id.rawValue) == [2, 1] && changes.map(\.status) == ["delivered", "parked"])
        #expect(changes[0].deliveredAt != nil && changes[1].reason == "no")
        #expect(try await store.changes(connection).isEmpty)
        for one in [application, connection] { await one.close() }
    }

    /// Writers that commit in any order, over real connections.
    @Test(arguments: 0..<4) func `every committed message is found once`(seed: UInt64) async throws {
        let database = try await TestServer.makeDatabase()
        var generator = SeededGenerator(seed: seed)
        var writers: [PostgresConnection] = []
        for _ in 0..<5 { writers.append(try await database.connect()) }
        var isOpen = writers.map { _ in false }
        var (store, connection) = try await tail(database)
        var found: [Int64] = []
        for _ in 0..<400 {
            let index = Int.random(in: 0..<writers.count, using: &generator)
            switch Int.random(in: 0..<10, using: &generator) {
            case 0..<5:
                try await writers[index].run(isOpen[index] ? Self.insert : "begin; \(Self.insert)")
                isOpen[index] = true
            case 5..<8 where isOpen[index]:
                let end = Int.random(in: 0..<3, using: &generator) == 0 ? "rollback" : "commit"
                try await writers[index].run(end)
                isOpen[index] = false
            default: found += try await ids(&store, connection)
            }
        }
        for index in writers.indices where isOpen[index] { try await writers[index].run("commit") }
        found += try await ids(&store, connection)
        let committed = try await writers[0].rows("select id from belfry.message_log order by id").compactMap {
            Int64($0[0])
        }
        #expect(found.sorted() == committed && !committed.isEmpty)
        for one in writers + [connection] { await one.close() }
    }

    /// The page ends the scan of each range, and rows of ranges behind the page are not read.
    @Test func `a look goes by the primary key and reads one page`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        try await connection.run(
            """
            alter table belfry.message_log disable trigger user;
            insert into belfry.message_log (receiver, type, data)
            select 'user' || n % 100, 'JSON_MSG', '1' from generate_series(1, 20000) n;
            analyze belfry.message_log
            """)
        try await connection.run("prepare look as \(TailStatements.look.sql)")
        let ranges = (0..<1_000).map { $0 * 20 + 1 }
        let lows = ranges.map(String.init).joined(separator: ",")
        let highs = ranges.map { String($0 + 19) }.joined(separator: ",")
        let bounds = ranges.map { _ in "0" }.joined(separator: ",")
        let plan = try await connection.rows(
            """
            explain (analyze, costs off, timing off, summary off) execute look
                ('10:10:', '{\(lows)}', '{\(highs)}', '{\(bounds)}', null, null, null, null, false)
            """
        ).map { $0[0] }.joined(separator: "\n")
        #expect(plan.contains("Index Scan using message_log_pkey"), "\(plan)")
        #expect(!plan.contains("Seq Scan on message_log"), "\(plan)")
        // A tenth of the ranges fills the page.
        let loops = plan.firstMatch(of: /Index Scan using message_log_pkey.*loops=(\d+)/).flatMap { Int($0.1) }
        #expect(loops.map { $0 < 200 } == true, "\(plan)")
        await connection.close()
    }
}
