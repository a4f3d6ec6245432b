import BelfryModel
import DatabaseSupport
import Postgres
import Testing

@testable import Outbox

/// Which rows the relay's read finds, and in what order.
@Suite struct RelayStorePageTests {
    /// A leader's store and its term, under the role that relays have.
    private func lead(_ database: TestDatabase) async throws -> (RelayStore, RelayTerm) {
        let store = RelayStore(executor: try await database.connect(role: "test_service"))
        return (store, try #require(try await store.takeOver(relay: "test", isDirect: true)))
    }

    /// Reads pages until the step is done, as the loop does.
    private func step(_ store: RelayStore, _ cursor: RelayCursor) async throws -> (ids: [Int64], next: RelayCursor) {
        var cursor = cursor
        var ids: [Int64] = []
        while true {
            let page = try await store.page(after: cursor)
            ids += page.rows.map { page.messageID($0).rawValue }
            guard let last = page.rows.last, !page.isLast else { return (ids, RelayCursor(snapshot: page.target)) }
            cursor = RelayCursor(
                snapshot: cursor.snapshot,
                step: .init(target: page.target, xid: page.xid(last), messageID: page.messageID(last).rawValue))
        }
    }

    @Test func `rolled back rows are never found, and the others in the order of their transactions`() async throws {
        let database = try await TestServer.makeDatabase()
        let (store, term) = try await lead(database)
        let first = try await database.connect()
        let second = try await database.connect()
        let insert = "insert into belfry.message_log (receiver, type, data) values ('alice', 'STRING_MSG', '\"x\"')"
        try await first.run("begin; \(insert)")
        try await second.run("begin; \(insert)")
        try await second.run(insert)
        try await first.run("rollback")
        var (ids, cursor) = try await step(store, term.cursor)
        #expect(ids.isEmpty)
        try await second.run("commit")
        try await first.run(insert)
        (ids, cursor) = try await step(store, cursor)
        #expect(ids == [2, 3, 4])
        (ids, _) = try await step(store, cursor)
        #expect(ids.isEmpty)
        await first.close()
        await second.close()
    }

    @Test func `a transaction that commits after later ones is neither skipped nor found twice`() async throws {
        let database = try await TestServer.makeDatabase()
        let (store, term) = try await lead(database)
        let late = try await database.connect()
        let quick = try await database.connect()
        let insert = "insert into belfry.message_log (receiver, type, data) values ('alice', 'STRING_MSG', '\"x\"')"
        try await late.run("begin; \(insert)")
        try await quick.run(insert)
        var (ids, cursor) = try await step(store, term.cursor)
        #expect(ids == [2])
        try await quick.run(insert)
        (ids, cursor) = try await step(store, cursor)
        #expect(ids == [3])
        try await late.run("commit")
        try await quick.run(insert)
        (ids, cursor) = try await step(store, cursor)
        #expect(ids == [1, 4])
        await late.close()
        await quick.close()
    }

    @Test func `a step of several pages finds each row once, and none that came after it began`() async throws {
        let database = try await TestServer.makeDatabase()
        let (store, term) = try await lead(database)
        let late = try await database.connect()
        let writer = try await database.connect()
        func insert(_ count: Int) -> String {
            "insert into belfry.message_log (receiver, type, data) "
                + "select 'user' || i % 7, 'STRING_MSG', '\"x\"' from generate_series(1, \(count)) i"
        }
        // A large transaction that is running when a step ends is read by the next one from within.
        try await late.run("begin; \(insert(2_500))")
        try await writer.run(insert(10))
        let (before, cursor) = try await step(store, term.cursor)
        #expect(before == Array(2_501...2_510))
        try await late.run("commit")
        for _ in 0..<4 { try await writer.run(insert(600)) }

        let firstPage = try await store.page(after: cursor)
        #expect(firstPage.rows.count == 1_000)
        #expect(!firstPage.isLast)
        try await writer.run(insert(5))
        let last = try #require(firstPage.rows.last)
        let middle = RelayCursor(
            snapshot: cursor.snapshot,
            step: .init(
                target: firstPage.target, xid: firstPage.xid(last), messageID: firstPage.messageID(last).rawValue))
        let (rest, next) = try await step(store, middle)
        let found = firstPage.rows.map { firstPage.messageID($0).rawValue } + rest
        #expect(found == Array(1...2_500) + Array(2_511...4_910))
        let (after, _) = try await step(store, next)
        #expect(after == Array(4_911...4_915))
        await late.close()
        await writer.close()
    }

    @Test func `a page of large messages ends early and the rest follows`() async throws {
        let database = try await TestServer.makeDatabase()
        let (store, term) = try await lead(database)
        let writer = try await database.connect()
        // Text that does not compress well, 200 KB a message and 16 MB in all.
        try await writer.run(
            """
            insert into belfry.message_log (receiver, type, data)
            select 'alice', 'STRING_MSG', to_jsonb(
                (select string_agg(md5((i * 10000 + j)::text), '') from generate_series(1, 6250) j))
            from generate_series(1, 80) i
            """)
        let page = try await store.page(after: term.cursor)
        #expect(page.rows.count > 10 && page.rows.count < 80)
        #expect(!page.isLast)
        let (ids, _) = try await step(store, term.cursor)
        #expect(ids == Array(1...80))
        await writer.close()
    }

    @Test func `held back, expired and orphaned rows are passed over`() async throws {
        let database = try await TestServer.makeDatabase()
        let (store, term) = try await lead(database)
        let writer = try await database.connect()
        try await writer.run(
            """
            insert into belfry.message_log (receiver, topic, type, data, headers, not_before, expires_at) values
                ('alice', null, 'STRING_MSG', '"held"', null, now() + interval '1 hour', null),
                ('alice', null, 'STRING_MSG', '"late"', null, null, now() - interval '1 second'),
                ('alice', null, 'STRING_MSG', '"gone"', null, null, null),
                (null, 'news', 'JSON_MSG', '{"a": 1}', '{"x:y": "a\\nb"}', null, now() + interval '1 hour');
            alter table belfry.message_log disable trigger all;
            delete from belfry.message_log where id = 3
            """)
        let page = try await store.page(after: term.cursor)
        #expect(page.rows.map { page.messageID($0).rawValue } == [1, 2, 3, 4])
        #expect(page.rows.map { page.isReady($0) } == [false, false, false, true])
        let row = page.rows[3]
        #expect(page.address(row) == .topic("news"))
        #expect(page.withHeaderLines(row) { String(decoding: $0, as: UTF8.self) } == "x\\cy:a\\nb\n")
        let body = page.withBody(row) { String(decoding: $0, as: UTF8.self) }
        #expect(body.hasPrefix(#"{"id":"4","type":"JSON_MSG","receiver":null,"topic":"news","data":{"a": 1},"#))
        let expiry = try await writer.value(
            "select floor(extract(epoch from expires_at) * 1000) from belfry.outbox where message_id = 4")
        #expect(abs((page.expiresAtMilliseconds(row) ?? 0) - (Int64(expiry) ?? 0)) <= 1)
        #expect((0..<60_000).contains(page.ageMilliseconds(row)))
        await writer.close()
    }

    @Test func `the read walks the index by transaction, whatever the plan`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        try await connection.run(
            """
            insert into belfry.message_log (receiver, type, data)
            select 'user' || i % 1000, 'STRING_MSG', '"x"' from generate_series(1, 50000) i;
            """)
        try await connection.run(
            """
            insert into belfry.message_log (receiver, type, data)
            select 'user' || i % 1000, 'STRING_MSG', '"x"' from generate_series(1, 50000) i;
            """)
        try await connection.run("analyze belfry.outbox")
        try await connection.run("analyze belfry.message_log")
        try await connection.run("prepare page as \(RelayStatements.page(rows: 1_000).sql)")
        for mode in ["force_custom_plan", "force_generic_plan"] {
            try await connection.run("set plan_cache_mode = \(mode)")
            for arguments in ["'1:1:', null, '0', 0", "'700:900:800,850', '1000000:1000000:', '800', 5"] {
                let plan = try await connection.rows("explain (costs off) execute page (\(arguments))").map { $0[0] }
                let scans = plan.filter { $0.contains("on outbox") }
                #expect(scans.count == 3, "\(mode), \(arguments): \(plan.joined(separator: "\n"))")
                #expect(scans.allSatisfy { $0.contains("using outbox_xid") }, "\(plan.joined(separator: "\n"))")
                let logs = plan.filter { $0.contains("on message_log") }
                #expect(logs.allSatisfy { $0.contains("using message_log_pkey") }, "\(plan.joined(separator: "\n"))")
            }
        }
        // What a page touches does not depend on what lies before its position.
        let (store, term) = try await lead(database)
        _ = term
        var cursor = RelayCursor(snapshot: "1:1:")
        var buffers: [Int] = []
        try await connection.run("set plan_cache_mode = force_generic_plan")
        for _ in 0..<60 {
            let page = try await store.page(after: cursor)
            guard let last = page.rows.last else { break }
            cursor = RelayCursor(
                snapshot: cursor.snapshot,
                step: .init(target: page.target, xid: page.xid(last), messageID: page.messageID(last).rawValue))
            let arguments = "'1:1:', '\(page.target)', '\(page.xid(last))', \(page.messageID(last).rawValue)"
            let plan = try await connection.rows("explain (analyze, buffers, costs off) execute page (\(arguments))")
            let line = plan.map { $0[0] }.first { $0.contains("Buffers: shared hit=") } ?? ""
            buffers.append(Int(line.split(separator: "hit=").last?.split(separator: " ").first ?? "") ?? -1)
        }
        let first = try #require(buffers.first)
        let most = try #require(buffers.max())
        #expect(first > 0 && most < first * 2, "\(buffers)")
        await connection.close()
    }
}
