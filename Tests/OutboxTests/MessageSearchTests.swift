import BelfryModel
import DatabaseSupport
import Postgres
import Testing

@testable import Outbox

/// Looking for messages: along an index, or a bounded piece of the log at a time.
@Suite struct MessageSearchTests {
    private static func search(_ change: (inout MessageSearch) -> Void) -> MessageSearch {
        var search = MessageSearch()
        change(&search)
        return search
    }

    private static func ids(_ found: FoundMessages) -> [String] {
        found.messages.compactMap { $0.firstMatch(of: #/"id" : "(\d+)"/#).map { String($0.1) } }
    }

    @Test func eachCriterionFindsItsOwnByItsIndex() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        let store = MessageSearchStore(executor: try await database.connect(role: "test_service"))
        try await connection.run(
            """
            insert into belfry.message_log (receiver, type, data, idempotency_key) values
                ('alice', 'JSON_MSG', '{"order":{"id":7,"items":[{"n":"a"},{"n":"b"}]}}', 'k1'),
                ('alice', 'STRING_MSG', '"x"', null), ('bob', 'JSON_MSG', '{"order":{"id":"7"}}', null);
            insert into belfry.message_log (topic, type, data) values ('news', 'STRING_MSG', '"y"');
            insert into belfry.message_log (receiver, type, data) values ('alice', 'JSON_MSG', '{}');
            select belfry.cancel(5);
            update belfry.message_log set status = 'parked' where id = 3;
            delete from belfry.outbox where message_id = 3;
            insert into belfry.parked (message_id, reason) values (3, 'Refused.')
            """)
        let cases: [(change: (inout MessageSearch) -> Void, ids: [String], way: MessageSearch.Way)] = [
            ({ $0.id = MessageID(rawValue: 2) }, ["2"], .id),
            (
                {
                    $0.id = MessageID(rawValue: 2); $0.receiver = "bob"
                }, [], .id
            ),
            ({ $0.idempotencyKey = "k1" }, ["1"], .key),
            // The index of histories lacks what was cancelled.
            ({ $0.receiver = "alice" }, ["2", "1"], .receiver),
            (
                {
                    $0.receiver = "alice"; $0.walksLog = true
                }, ["5", "2", "1"], .log
            ),
            ({ $0.topic = "news" }, ["4"], .topic), ({ $0.type = "STRING_MSG" }, ["4", "2"], .log),
            ({ $0.status = "pending" }, ["4", "2", "1"], .outbox), ({ $0.status = "parked" }, ["3"], .parked),
            ({ $0.parkedReason = "Refused." }, ["3"], .parked), ({ $0.parkedReason = "Refused" }, [], .parked),
            ({ $0.status = "cancelled" }, ["5"], .log),
            ({ $0.content = .init(path: ["order", "id"], text: "7", json: "7") }, ["3", "1"], .log),
            ({ $0.content = .init(path: ["order", "items", "1", "n"], text: "b", json: nil) }, ["1"], .log),
            ({ $0.content = .init(path: ["order"], text: nil, json: nil) }, ["3", "1"], .log),
            ({ $0.since = 4_000_000_000_000 }, [], .time), ({ $0.until = 1 }, [], .time),
            (
                {
                    $0.since = 1; $0.until = 4_000_000_000_000
                }, ["5", "4", "3", "2", "1"], .time
            ),
        ]
        for (place, expected) in cases.enumerated() {
            let found = try await store.find(Self.search(expected.change))
            #expect(Self.ids(found) == expected.ids && found.way == expected.way, "case \(place)")
            #expect(found.before == nil, "case \(place)")
        }
        let parked = try await store.find(Self.search { $0.status = "parked" })
        #expect(parked.messages.first?.contains("\"reason\" : \"Refused.\"") == true)
        #expect(try await store.message(MessageID(rawValue: 1))?.contains("\"items\"") == true)
        #expect(try await store.message(MessageID(rawValue: 9)) == nil)
    }

    @Test func pagesFollowOneAnotherWithoutGapOrRepeat() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        let store = MessageSearchStore(executor: connection)
        try await connection.run(
            """
            insert into belfry.message_log (receiver, type, data)
            select case when i % 3 = 0 then 'alice' else 'bob' end, 'JSON_MSG', to_jsonb(i)
            from generate_series(1, 1000) i
            """)
        for (receiver, count) in [("alice", 333), ("bob", 667)] {
            for walksLog in [false, true] {
                var (all, before): ([String], MessageID?) = ([], nil)
                repeat {
                    let found = try await store.find(
                        Self.search {
                            ($0.receiver, $0.before, $0.limit, $0.walksLog) = (receiver, before, 7, walksLog)
                        })
                    all += Self.ids(found)
                    before = found.before
                } while before != nil
                #expect(all.count == count && Set(all).count == count)
                #expect(all.compactMap { Int($0) } == all.compactMap { Int($0) }.sorted(by: >))
            }
        }
    }

    @Test func aRequestLooksAtABoundedPieceOfTheLogAndSaysSo() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        let store = MessageSearchStore(executor: connection)
        // Without the trigger: the outbox plays no part.
        try await connection.run(
            """
            set session_replication_role = replica;
            insert into belfry.message_log (receiver, type, data, created_at)
            select 'u' || i, case when i = 1 then 'NOTICE' else 'JSON_MSG' end, '1',
                timestamptz '2026-01-01Z' + i * interval '1 minute'
            from generate_series(1, 120000) i;
            analyze belfry.message_log
            """)
        let first = try await store.find(Self.search { $0.type = "NOTICE" })
        #expect(first.messages.isEmpty && (1...58_000).contains(first.rows) && first.way == .log)
        #expect((first.backTo ?? 0) > 1_767_225_600_000)
        var (before, requests) = (first.before, 1)
        var found: [String] = []
        while let next = before, requests < 500 {
            let answer = try await store.find(Self.search { ($0.type, $0.before) = ("NOTICE", next) })
            #expect((answer.before?.rawValue ?? 0) < next.rawValue)
            (before, requests, found) = (answer.before, requests + 1, found + Self.ids(answer))
        }
        #expect(found == ["1"] && requests > 2)

        // A time in the middle is not come to from the end.
        let middle = 1_767_225_600_000 + Int64(60_000) * 60_000
        let ofAnHour = try await store.find(
            Self.search { ($0.since, $0.until, $0.limit) = (middle, middle + 3_600_000, 100) })
        #expect(Self.ids(ofAnHour).count == 60 && Self.ids(ofAnHour).last == "60000")
        #expect(ofAnHour.rows < 3_000 && ofAnHour.before == nil)
    }

    @Test func theNewestIsFoundWhateverTheNumberOfIDs() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        let store = MessageSearchStore(executor: connection)
        for count in [1_001, 1_002, 2_001] {
            try await connection.run(
                """
                insert into belfry.message_log (receiver, type, data)
                select 'alice', 'JSON_MSG', to_jsonb(i)
                from generate_series((select coalesce(max(id), 0) + 1 from belfry.message_log), \(count)) i
                """)
            let found = try await store.find(Self.search { ($0.until, $0.limit) = (4_000_000_000_000, 1) })
            #expect(Self.ids(found) == ["\(count)"])
        }
    }
}
