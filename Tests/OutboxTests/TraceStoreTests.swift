import BelfryModel
import DatabaseSupport
import Postgres
import Testing

@testable import Outbox

/// What the books say of one message.
@Suite struct TraceStoreTests {
    @Test func itFollowsAMessageThroughTheTables() async throws {
        let database = try await TestServer.makeDatabase()
        let connection = try await database.connect()
        let store = TraceStore(executor: try await database.connect(role: "test_operator"))
        let id = MessageID(rawValue: 1)
        #expect(try await store.facts(of: id).log == nil)

        // Not committed: the id is given out, and whose transaction may hold it is told.
        let writer = try await database.connect()
        try await writer.run("begin; select belfry.notify('alice', 'JSON_MSG', '{\"n\":1}')")
        let open = try await store.facts(of: id)
        #expect(open.log == nil && open.highestID == 1)
        try await writer.run("commit")

        let written = try await store.facts(of: id)
        #expect(written.log?.receiver == "alice" && written.log?.status == "pending" && written.log?.dataBytes == 8)
        #expect(written.queued?.isPublished == false && written.parked == nil && written.leader == nil)
        #expect((0...60).contains(written.now - (written.log?.createdAt ?? 0)))

        // The relay has passed it, and a session of alice's is there, subscribed, and one that is not.
        try await connection.run(
            """
            update belfry.relay_cursor set snapshot = pg_current_snapshot(), relay = 'r', term = 3,
                leader_seen_at = clock_timestamp();
            insert into belfry.node (id, host, pid, listen) values
                ('00000000-0000-0000-0000-00000000000a', 'host', 1, ':8080');
            insert into belfry.presence (id, node_id, receiver, transport, opened_at, topics)
            select ('00000000-0000-0000-0000-00000000000' || i)::uuid, '00000000-0000-0000-0000-00000000000a',
                case when i < 3 then 'alice' else 'bob' end, 'tcp', now() - i * interval '1 second', '{news}'
            from generate_series(1, 3) i;
            insert into belfry.session (id, node_id, receiver) values
                ('00000000-0000-0000-0000-000000000002', '00000000-0000-0000-0000-00000000000a', 'alice')
            """)
        let published = try await store.facts(of: id)
        #expect(published.queued?.isPublished == true && published.leader?.term == 3)
        #expect(published.sessions.map(\.isSubscribed) == [false, true])
        #expect(published.sessions.first?.node == ":8080 on host")

        try await connection.run(
            """
            delete from belfry.outbox;
            insert into belfry.parked (message_id, reason, attempts) values (1, 'no', 5);
            update belfry.message_log set status = 'parked', status_reason = 'no'
            """)
        let parked = try await store.facts(of: id)
        #expect(parked.queued == nil && parked.parked?.attempts == 5 && parked.log?.statusReason == "no")

        try await connection.run("select belfry.broadcast('news', 'JSON_MSG', '1')")
        let broadcast = try await store.facts(of: MessageID(rawValue: 2))
        #expect(broadcast.log?.topic == "news" && broadcast.sessions.count == 3)
        #expect(broadcast.sessions.allSatisfy { $0.isSubscribed == nil })
        for one in [writer, connection] { await one.close() }
    }

    /// Whose transaction is open the superuser sees, and who is in pg_read_all_stats.
    @Test func theOldestOpenTransactionIsNamed() async throws {
        let database = try await TestServer.makeDatabase()
        let store = TraceStore(executor: try await database.connect())
        let writer = try await database.connect()
        try await writer.run(
            "set application_name = 'shop'; begin; select belfry.notify('alice', 'JSON_MSG', '1')")
        let facts = try await store.facts(of: MessageID(rawValue: 1))
        #expect(facts.oldestWriter?.application == "shop")
        await writer.close()
    }
}
