import BelfryModel
import DatabaseSupport
import Postgres
import Testing

@testable import Outbox

@Suite struct OperatorStoreTests {
    @Test func `an installation that nobody used has nothing to tell`() async throws {
        let database = try await TestServer.makeDatabase()
        let store = OperatorStore(executor: try await database.connect(role: "test_operator"))
        let status = try await store.status(byType: true)
        #expect(status.pending == 0 && status.parked == 0 && status.lagRows == 0 && status.lagSeconds == 0)
        #expect(status.leader == nil && status.oldestPendingSeconds == nil && status.nodes.isEmpty)
        #expect(status.pendingByType == [])
    }

    @Test func `the status tells what waits, for whom, and how far behind the relay is`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        let relay = RelayStore(executor: try await database.connect(role: "test_service"))
        let term = try #require(try await relay.takeOver(relay: "host:1", isDirect: true))
        let insert = "insert into belfry.message_log (receiver, type, data) "
        try await connection.run(insert + "select 'alice', 'STRING_MSG', '\"a\"' from generate_series(1, 3)")
        let page = try await relay.page(after: term.cursor)
        _ = try await relay.advance(to: RelayCursor(snapshot: page.target), broadcasts: [], term: term.number)
        try await connection.run(insert + "select 'bob', 'JSON_MSG', '1' from generate_series(1, 2)")
        try await connection.run(
            """
            insert into belfry.message_log (receiver, type, data, not_before)
            values ('bob', 'JSON_MSG', '1', now() + interval '1 hour');
            insert into belfry.node (id, host, pid, listen, sessions)
            values ('00000000-0000-0000-0000-00000000000a', 'a', 1, ':1', 3);
            insert into belfry.parked (message_id, reason) values (1, 'x')
            """)
        let status = try await OperatorStore(executor: database.connect(role: "test_operator")).status(byType: true)
        #expect(status.pending == 6)
        #expect(status.heldBack == 1)
        #expect(status.parked == 1)
        #expect(status.lagRows == 2)
        #expect(status.lagSeconds > 0 && status.lagSeconds < 60)
        #expect((status.oldestPendingSeconds ?? -1) >= status.lagSeconds)
        #expect(status.leader?.name == "host:1" && status.leader?.isAlive == true)
        #expect(status.sessions == 3 && status.nodes.first?.host == "a")
        #expect(status.pendingByType == [.init(type: "JSON_MSG", count: 3), .init(type: "STRING_MSG", count: 3)])
        await connection.close()
    }

    @Test func `sending, cancelling and replaying`() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        let writer = OperatorStore(executor: try await database.connect(role: "test_service"))
        let store = OperatorStore(executor: try await database.connect(role: "test_operator"))
        var message = NewMessage(to: .user("alice"), type: "STRING_MSG", data: "\"a\"", idempotencyKey: "k")
        message.headers = #"{"traceparent": "00-1"}"#
        let id = try await writer.send(message)
        #expect(try await writer.send(message) == id)
        let topic = try await writer.send(
            NewMessage(to: .topic("news"), type: "JSON_MSG", data: "[1]", expiresAt: "2999-01-01T00:00:00Z"))
        let rows = try await connection.rows(
            """
            select id, receiver, topic, headers is not null, expires_at is not null
            from belfry.message_log order by id
            """)
        #expect(rows == [["\(id)", "alice", "-", "t", "f"], ["\(topic)", "-", "news", "f", "t"]])

        #expect(try await store.cancel(id))
        #expect(try await !store.cancel(id))
        var criteria = ReplayCriteria()
        criteria.ids = [id, MessageID(rawValue: 99)]
        let plan = try await store.replay(criteria, dryRun: true)
        #expect(plan.map(\.previousStatus) == ["cancelled", nil])
        #expect(try await connection.value("select count(*) from belfry.outbox") == "1")
        #expect(try await store.replay(criteria, dryRun: false) == plan)
        #expect(try await connection.value("select count(*) from belfry.outbox") == "2")

        let refusal = await #expect(throws: PostgresError.self) {
            try await writer.send(NewMessage(to: .user("alice"), type: "NO_SUCH", data: "1"))
        }
        #expect(refusal?.message.contains("NO_SUCH") == true)
        let empty = await #expect(throws: PostgresError.self) {
            try await store.replay(ReplayCriteria(), dryRun: true)
        }
        #expect(empty?.message.contains("at least one") == true)
        await connection.close()
    }
}
