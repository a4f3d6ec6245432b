import DatabaseSupport
import Outbox
import Postgres
import Testing

/// Rules and escalations as operators see them.
@Suite struct EscalationStoreTests {
    private func make() async throws -> (EscalationStore, PostgresConnection, PostgresConnection) {
        let database = try await TestServer.makeDatabase()
        let people = try await database.connect(role: "test_operator")
        let owner = try await database.connect()
        let store = EscalationStore(executor: people)
        try await store.escalate("JSON_MSG", after: 600, url: "https://app.example/a")
        try await store.escalate("STRING_MSG", after: 60, url: "https://app.example/b", actor: "root")
        try await owner.run(
            """
            insert into belfry.message_log (receiver, type, data)
            select 'alice', case when i % 2 = 0 then 'STRING_MSG' else 'JSON_MSG' end, '"x"'
            from generate_series(1, 40) i;
            insert into belfry.escalation (message_id, type, state, counts_from, due_at, next_at, attempts, last_error)
            select id, type, case when id <= 10 then 'failed' when id <= 30 then 'sent' else 'waiting' end,
                now(), now(), case when id > 30 then now() + interval '1 hour' end, 3, 'The application answered 500.'
            from belfry.message_log
            """)
        return (store, people, owner)
    }

    @Test func rulesSayWhatWaitsAndWhatWasGivenUp() async throws {
        let (store, people, owner) = try await make()
        let rules = try await store.rules()
        #expect(rules.map(\.type) == ["JSON_MSG", "STRING_MSG"])
        #expect(rules.map(\.afterSeconds) == [600, 60])
        #expect(rules.map(\.waiting) == [5, 5] && rules.map(\.givenUp) == [5, 5])
        #expect(rules.allSatisfy { $0.isEnabled && $0.problem == nil && $0.failingSeconds == nil })
        #expect(rules[1].json.contains(#""changedBy" : "root""#))
        #expect(try await store.stop("STRING_MSG"))
        #expect(try await !store.stop("STRING_MSG"))
        #expect(try await store.rules().count == 1)
        for one in [people, owner] { await one.close() }
    }

    @Test func pagesFollowOneAnother() async throws {
        let (store, people, owner) = try await make()
        var ids: [Int64] = []
        var before: Int64?
        while true {
            let page = try await store.page(before: before, limit: 7)
            if page.isEmpty { break }
            ids += page.map(\.messageID)
            before = page.last?.messageID
        }
        #expect(ids == (1...40).reversed().map(Int64.init))
        let failed = try await store.page(state: .failed, type: "JSON_MSG", limit: 100)
        #expect(failed.map(\.messageID) == [9, 7, 5, 3, 1])
        let waiting = try await store.page(state: .waiting, limit: 1)[0]
        #expect(waiting.attempts == 3 && (waiting.nextSeconds ?? 0) > 3_000 && !waiting.isUnderWay)
        #expect(waiting.json.contains(#""receiver" : "alice""#))
        for one in [people, owner] { await one.close() }
    }

    @Test func whatWasGivenUpIsTriedAgain() async throws {
        let (store, people, owner) = try await make()
        #expect(try await store.retry([1, 2, 11, 99]) == 2)
        #expect(try await store.retry(type: "JSON_MSG") == 10, "given up, and waiting for a further try")
        #expect(try await store.page(state: .failed, limit: 100).map(\.messageID) == [10, 8, 6, 4])
        await #expect(throws: PostgresError.self) { try await store.retry(type: "NOTICE") }
        for one in [people, owner] { await one.close() }
    }

    /// A plan that was made on empty tables is kept.
    @Test func looksGoByIndex() async throws {
        let (_, people, owner) = try await make()
        for sql in [
            "select from belfry.escalation where state = 'waiting' and type = 'JSON_MSG' and next_at <= now() "
                + "order by next_at limit 8",
            "select from belfry.escalation where state = 'sent' and next_at <= now() limit 8",
        ] {
            // As the functions that look have it.
            try await owner.run("set enable_seqscan = off; set enable_sort = off; set enable_bitmapscan = off")
            let plan = try await owner.rows("explain \(sql)").flatMap { $0 }.joined(separator: "\n")
            #expect(plan.contains("Index") && plan.contains("escalation_due"), "\(plan)")
        }
        for one in [people, owner] { await one.close() }
    }
}
