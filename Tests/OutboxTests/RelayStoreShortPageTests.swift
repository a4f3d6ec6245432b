import BelfryModel
import DatabaseSupport
import Postgres
import Testing

@testable import Outbox

/// A short page is the same as a full one, or is not taken.
@Suite struct RelayStoreShortPageTests {
    private static let insert = "insert into belfry.message_log (receiver, type, data)"

    @Test func `whatever happens to the outbox, a short page holds what a full one does`() async throws {
        let database = try await TestServer.makeDatabase()
        let short = RelayStore(executor: try await database.connect(role: "test_service"))
        let full = RelayStore(executor: try await database.connect(role: "test_service"), isPrepared: false)
        let term = try #require(try await short.takeOver(relay: "test", isDirect: true))
        var cursor = term.cursor
        var writers: [(connection: PostgresConnection, isOpen: Bool)] = []
        for _ in 0..<4 { writers.append((try await database.connect(), false)) }
        let other = try await database.connect()
        var found = 0
        for round in 0..<400 {
            let writer = Int.random(in: 0..<writers.count)
            switch Int.random(in: 0..<10) {
            case 0...3:
                let rows = Int.random(in: 1...8)
                try await writers[writer].connection.run(
                    "\(Self.insert) select 'u' || i, 'STRING_MSG', '\"x\"' from generate_series(1, \(rows)) i")
            case 4 where !writers[writer].isOpen:
                try await writers[writer].connection.run("begin; \(Self.insert) values ('a', 'STRING_MSG', '\"x\"')")
                writers[writer].isOpen = true
            case 4, 5:
                guard writers[writer].isOpen else { break }
                try await writers[writer].connection.run(Bool.random() ? "commit" : "rollback")
                writers[writer].isOpen = false
            case 6 where writers[writer].isOpen:
                let end = Bool.random() ? "release s" : "rollback to s"
                try await writers[writer].connection.run(
                    "savepoint s; \(Self.insert) values ('b', 'STRING_MSG', '\"x\"'); \(end)")
            case 7:
                // Acknowledged, stamped anew, held back, expired, without a log row: each for a tenth.
                try await other.run("delete from belfry.outbox where random() < 0.1")
                try await other.run("update belfry.outbox set xid = pg_current_xact_id() where random() < 0.1")
                try await other.run("update belfry.outbox set not_before = now() + interval '1 h' where random() < 0.1")
                try await other.run("update belfry.outbox set expires_at = now() where random() < 0.1")
                try await other.run("delete from belfry.message_log where random() < 0.05")
            default:
                var one = try await short.page(after: cursor)
                var two = try await full.page(after: cursor)
                // Autovacuum may have taken a transaction id between the two.
                for _ in 0..<10 where one.target != two.target {
                    one = try await short.page(after: cursor)
                    two = try await full.page(after: cursor)
                }
                #expect(one.rows.map { one.messageID($0) } == two.rows.map { two.messageID($0) }, "round \(round)")
                #expect(one.rows.map { one.xid($0) } == two.rows.map { two.xid($0) })
                #expect(one.rows.map { one.isReady($0) } == two.rows.map { two.isReady($0) })
                #expect(one.rows.map { one.isRedelivered($0) } == two.rows.map { two.isRedelivered($0) })
                for (mine, theirs) in zip(one.rows, two.rows) where one.isReady(mine) {
                    #expect(one.withBody(mine) { Array($0) } == two.withBody(theirs) { Array($0) })
                }
                #expect((one.isLast, one.target) == (two.isLast, two.target))
                #expect(one.oldestRunning == two.oldestRunning)
                found += one.rows.count
                if one.isLast, Bool.random() { cursor = RelayCursor(snapshot: one.target) }
            }
        }
        #expect(found > 100)
        for writer in writers { await writer.connection.close() }
        await other.close()
    }

    @Test(arguments: [(63, true), (64, true), (65, false), (200, false)])
    func `as many rows as a short page holds come by one, more do not`(rows: Int, isShort: Bool) async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect(role: "test_service")
        let writer = try await database.connect()
        try await writer.run(
            "\(Self.insert) select 'u' || i, 'STRING_MSG', '\"x\"' from generate_series(1, \(rows)) i")
        let result = try await connection.execute(RelayStatements.shortPage, [.text("3")])
        #expect(try (RelayPage(short: result) != nil) == isShort)
        let page = try await RelayStore(executor: connection).page(after: RelayCursor(snapshot: "3:3:"))
        #expect(page.rows.count == rows)
        #expect(page.isLast)
        await writer.close()
    }

    @Test(arguments: ["3:3:", "3:5:3,4"])
    func `large messages are left to a full page, which has a bound of bytes`(snapshot: String) async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect(role: "test_service")
        let writer = try await database.connect()
        // 200 KB a message that do not compress well: over a short page's share.
        try await writer.run(
            """
            \(Self.insert) select 'alice', 'STRING_MSG', to_jsonb(
                (select string_agg(md5((i * 10000 + j)::text), '') from generate_series(1, 6250) j))
            from generate_series(1, 3) i
            """)
        let result = try await connection.execute(RelayStatements.shortPageAmongRunning, [.text("3"), .text("{}")])
        #expect(try RelayPage(short: result) == nil)
        #expect((0..<3).allSatisfy { result.isNull($0, RelayPage.Column.body) })
        let page = try await RelayStore(executor: connection).page(after: RelayCursor(snapshot: snapshot))
        #expect(page.rows.map { page.withBody($0) { $0.count > 200_000 } } == [true, true, true])
        await writer.close()
    }

    @Test func `a short page walks the index by transaction, whatever lies below`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect(role: "test_service")
        let writer = try await database.connect()
        try await writer.run(
            "\(Self.insert) select 'u' || i % 100, 'STRING_MSG', '\"x\"' from generate_series(1, 20000) i")
        let xid = try #require(UInt64(try await writer.rows("select max(xid)::text from belfry.outbox")[0][0]))
        try await connection.run("set plan_cache_mode = force_generic_plan")
        for (statement, arguments) in [
            (RelayStatements.shortPage, "('\(xid + 1)')"),
            (RelayStatements.shortPageAmongRunning, "('\(xid + 1)', '{3,4}')"),
        ] {
            try await connection.run("prepare \(statement.name) as \(statement.sql)")
            let plan = try await connection.rows(
                "explain (analyze, buffers, costs off, summary off) execute \(statement.name) \(arguments)"
            ).map { $0[0] }
            let text = plan.joined(separator: "\n")
            #expect(plan.filter { $0.contains("on outbox") }.allSatisfy { $0.contains("using outbox_xid") }, "\(text)")
            #expect(
                plan.filter { $0.contains("on message_log") }.allSatisfy { $0.contains("message_log_pkey") }, "\(text)")
            let hit = plan.first { $0.contains("shared hit=") }?.split(separator: "hit=").last?.prefix { $0.isNumber }
            #expect((hit.flatMap { Int($0) } ?? .max) < 20, "\(text)")
        }
        await writer.close()
    }
}
