import BelfryModel
import DatabaseSupport
import Postgres
import Testing

@testable import Outbox

/// What is kept for traces, in its table.
@Suite struct HopStoreTests {
    private func row(_ id: Int64, age: Int64 = 0, _ details: [(String, String)] = []) -> HopRow {
        HopRow(message: MessageID(rawValue: id), ageMicroseconds: age, what: "published", details: details)
    }

    @Test func hopsAreWrittenByPostgresClock() async throws {
        let database = try await TestServer.makeDatabase()
        let store = HopStore(executor: try await database.connect(role: "test_service"))
        let connection = try await database.connect()
        try await store.write(
            [row(1, age: 90_000_000, [("reason", "a \"quoted\"\n\\ \u{0}\u{1} ü")]), row(2)], process: "host/1/x")
        let rows = try await connection.rows(
            """
            select message_id, process, what, round(extract(epoch from clock_timestamp() - at) / 10),
                details ->> 'reason'
            from belfry.hop order by 1
            """)
        #expect(
            rows == [
                ["1", "host/1/x", "published", "9", "a \"quoted\"\n\\ \u{1} ü"],
                ["2", "host/1/x", "published", "0", "-"],
            ])
        await connection.close()
    }

    @Test func theOldestAreDeletedInSmallBatches() async throws {
        let database = try await TestServer.makeDatabase()
        let store = HopStore(executor: try await database.connect(role: "test_service"))
        let connection = try await database.connect()
        try await connection.run(
            """
            insert into belfry.hop
            select i, now() - interval '2 hours' - i * interval '1 ms', 'p', 'sent', '{}'
            from generate_series(1, \(HopStore.deletedMax + 10)) i;
            insert into belfry.hop select i, now(), 'p', 'sent', '{}' from generate_series(1, 5) i
            """)
        #expect(try await store.deleteOld(.seconds(3_600)) == HopStore.deletedMax)
        // Those that are left of the old ones are the youngest.
        #expect(try await connection.value("select max(message_id) from belfry.hop") == "10")
        #expect(try await store.deleteOld(.seconds(3_600)) == 10)
        #expect(try await store.deleteOld(.seconds(3_600)) == 0)
        #expect(try await connection.value("select count(*) from belfry.hop") == "5")
        await connection.close()
    }

    @Test func statementsUseTheIndexes() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        try await connection.run(
            """
            insert into belfry.hop select i, now() - i * interval '1 s', 'p', 'sent', '{}'
            from generate_series(1, 20000) i;
            analyze belfry.hop
            """)
        let deleting = try await connection.rows(
            "explain " + HopStatements.deleteOld.sql.replacing("$1", with: "3600000")
        ).map { $0[0] }.joined(separator: "\n")
        #expect(deleting.contains("hop_at") && !deleting.contains("Seq Scan on hop"), "\(deleting)")
        let reading = try await connection.rows("explain " + TraceStatements.hops.sql.replacing("$1", with: "7"))
            .map { $0[0] }.joined(separator: "\n")
        #expect(reading.contains("hop_message"), "\(reading)")
        await connection.close()
    }

    @Test func watchesThatHaveEndedAreNotTold() async throws {
        let database = try await TestServer.makeDatabase()
        let people = try await database.connect(role: "test_operator")
        let watches = WatchStore(executor: people)
        let store = HopStore(executor: try await database.connect(role: "test_service"))
        let first = try await watches.set(receiver: "alice", type: nil, for: .seconds(60))
        _ = try await watches.set(receiver: nil, type: "JSON_MSG", for: .milliseconds(1))
        try await Task.sleep(for: .milliseconds(20))
        #expect(try await store.watches().map(\.receiver) == ["alice"])
        #expect(try await watches.watches().map(\.id) == [first])
        #expect(try await watches.end(first))
        #expect(try await !watches.end(first))
        #expect(try await store.watches().isEmpty)
    }

    @Test func aTraceTellsHopsWriterAndActs() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        try await connection.run("select belfry.notify('alice', 'JSON_MSG', '1') from generate_series(1, 2)")
        try await connection.run(
            """
            insert into belfry.hop values
                (1, now(), 'PostgreSQL/1', 'written', '{"role": "shop", "application": "web"}'),
                (1, now(), 'p', 'pickedUp', '{"xid": "3"}'),
                (1, now() + interval '1 ms', 'q', 'sent', '{"session": "s", "empty": ""}');
            select belfry.replay(ids => '{1}'); select belfry.replay(receiver => 'bob', type => 'JSON_MSG');
            select belfry.replay(receiver => 'alice'); select belfry.cancel(2)
            """)
        let facts = try await TraceStore(executor: try await database.connect(role: "test_operator"))
            .facts(of: MessageID(rawValue: 1))
        #expect(facts.hops.map(\.what) == ["pickedUp", "sent"] && facts.hops.map(\.process) == ["p", "q"])
        #expect(facts.hops[1].details == ["session": "s", "empty": ""])
        #expect(facts.writer?.role == "shop" && facts.writer?.application == "web")
        #expect(facts.acts.map(\.act) == ["replay", "replay"] && facts.acts.map(\.isNamed) == [true, false])
        let other = try await TraceStore(executor: connection).facts(of: MessageID(rawValue: 2))
        #expect(other.acts.map(\.act) == ["replay", "cancel"] && other.hops.isEmpty && other.writer == nil)
        // The hops outlive the message.
        try await connection.run("delete from belfry.outbox; delete from belfry.message_log")
        let gone = try await TraceStore(executor: connection).facts(of: MessageID(rawValue: 1))
        #expect(gone.log == nil && gone.hops.count == 2)
        await connection.close()
    }
}
