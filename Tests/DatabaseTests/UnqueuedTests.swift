import Outbox
import Postgres
import Testing

/// Rows that come in under `session_replication_role = replica`, where the trigger that queues them does not run.
@Suite struct UnqueuedTests {
    @Test func theyAreShownReplayedAndForgotten() async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run(
            """
            set session_replication_role = replica;
            insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG'), ('bob', 'JSON_MSG');
            insert into belfry.message_log (receiver, type, status) values ('alice', 'JSON_MSG', 'delivered');
            set session_replication_role = origin;
            insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG')
            """)
        #expect(try await database.queued() == ["4"])
        #expect(
            try await database.query(
                "select id, waits_for from belfry.undelivered where last_error like '%never queued%' order by id") == [
                    ["1", "an operator: select * from belfry.replay(ids => '{1}')"],
                    ["2", "an operator: select * from belfry.replay(ids => '{2}')"],
                ])
        try await database.connection.run("update belfry.unqueued set noted_at = now() - interval '2 minutes'")
        let service = try await database.connect()
        try await service.run("set role belfry_service")
        let relay = RelayStore(executor: service, isPrepared: false)
        #expect(try await relay.countMessages().unqueued == 2)
        #expect(
            try await database.query("select message_id, action from belfry.replay(ids => '{1}')")
                == [["1", "queue again"]])
        #expect(try await relay.countMessages().unqueued == 1)
        #expect(try await database.queued() == ["1", "4"])
        // As a restore does that brings the outbox's rows after those of the log.
        try await database.connection.run(
            "insert into belfry.outbox (message_id, xid, receiver) values (2, pg_current_xact_id(), 'bob')")
        #expect(try await relay.countMessages().unqueued == 0)
        #expect(try await database.value("select count(*) from belfry.unqueued") == "0")
        await service.close()
    }
}
