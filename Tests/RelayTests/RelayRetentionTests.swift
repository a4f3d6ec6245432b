import BelfryModel
import DatabaseSupport
import TestBasics
import Testing

@testable import Relay

/// The leader deletes what the settings keep no longer.
@Suite struct RelayRetentionTests {
    @Test func `old messages go and the others are delivered meanwhile`() async throws {
        let database = try await TestServer.makeDatabase()
        let writer = try await database.connect()
        try await writer.run(
            """
            insert into belfry.message_log (receiver, type, created_at)
            select 'alice', 'JSON_MSG', now() - interval '10 days' from generate_series(1, 500);
            update belfry.message_log set status = 'delivered' where id <> 77;
            delete from belfry.outbox where message_id <> 77
            """)
        var policy = RetentionPolicy()
        policy[.delivered] = .seconds(86_400)
        policy.rowsPerSecondMax = 1_000
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus, retention: policy)
        try await writer.run(SQL.insert("bob", count: 3))
        try await relay.wait(for: .retentionRoundEnded)
        try await eventually("the new ones and the one that was pending are published") {
            Set(bus.ids) == [77, 501, 502, 503]
        }
        #expect(
            try await writer.value("select string_agg(id::text, ' ' order by id) from belfry.message_log")
                == "77 501 502 503")
        let deleted = relay.events.reduce(0) { sum, event in
            if case .deletedOld(let count) = event { sum + count } else { sum }
        }
        #expect(deleted == 499)
        await relay.stop()
    }

    @Test func `what operators did goes by a setting of its own`() async throws {
        let database = try await TestServer.makeDatabase()
        let writer = try await database.connect()
        let holder = try await database.connect()
        try await writer.run(
            """
            insert into belfry.message_log (receiver, type, created_at)
            values ('alice', 'JSON_MSG', now() - interval '10 years');
            update belfry.message_log set status = 'delivered';
            delete from belfry.outbox;
            insert into belfry.audit (at, act)
            select now() - interval '3 years', 'replay' from generate_series(1, 4)
            union all select now() - interval '1 year', 'replay';
            insert into belfry.replay_job (state, receiver, rate, first_id, last_id, position, finished_at) values
                ('done', 'a', 1, 1, 1, 1, now() - interval '3 years'),
                ('cancelled', 'b', 1, 1, 1, 1, now() - interval '3 years'),
                ('failed', 'c', 1, 1, 1, 1, now() - interval '3 years'),
                ('paused', 'd', 1, 1, 1, 1, null), ('done', 'e', 1, 1, 1, 1, now() - interval '1 year')
            """)
        // What somebody holds is for the next round.
        try await holder.run("begin; select from belfry.audit where id = 2 for update")
        var policy = RetentionPolicy()
        policy.acts = .seconds(2 * 365 * 86_400)
        let relay = try await RunningRelay(database, bus: RecordingBus(), retention: policy)
        try await relay.wait(for: .deletedOldActs(count: 5))
        #expect(try await writer.value("select string_agg(id::text, ' ' order by id) from belfry.audit") == "2 5")
        #expect(
            try await writer.value("select string_agg(receiver, ' ' order by id) from belfry.replay_job") == "c d e")
        #expect(try await writer.value("select count(*) from belfry.message_log") == "1")
        await relay.stop()
        await holder.close()
    }

    @Test func `where nothing is said everything stays`() async throws {
        let database = try await TestServer.makeDatabase()
        let writer = try await database.connect()
        try await writer.run(
            """
            insert into belfry.message_log (receiver, type, created_at)
            values ('alice', 'JSON_MSG', now() - interval '10 years');
            update belfry.message_log set status = 'delivered';
            delete from belfry.outbox
            """)
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus)
        try await writer.run(SQL.insert("bob"))
        try await eventually("it is published") { bus.ids == [2] }
        try await relay.waitAsleep()
        #expect(try await writer.value("select began_at is null from belfry.retention") == "t")
        #expect(try await writer.value("select count(*) from belfry.message_log") == "2")
        await relay.stop()
    }
}
