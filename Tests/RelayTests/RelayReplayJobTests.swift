import BelfryModel
import Bus
import DatabaseSupport
import Outbox
import Postgres
import TestBasics
import Testing

@testable import Relay

/// Replay jobs by running relays: each message once, whatever happens to the relay meanwhile.
@Suite struct RelayReplayJobTests {
    /// So many expired messages of alice's, as many of bob's, and a delivered one behind each ten.
    private func prepare(_ database: TestDatabase, expired count: Int) async throws -> PostgresConnection {
        let writer = try await database.connect()
        try await writer.run(
            """
            insert into belfry.message_log (receiver, type)
            select case when i % 2 = 0 then 'alice' else 'bob' end, 'JSON_MSG' from generate_series(1, \(2 * count)) i;
            delete from belfry.outbox;
            update belfry.message_log set status = 'expired';
            insert into belfry.message_log (receiver, type)
            select 'alice', 'JSON_MSG' from generate_series(1, \(count / 10)) i;
            delete from belfry.outbox;
            update belfry.message_log set status = 'delivered' where status = 'pending'
            """)
        return writer
    }

    private func create(_ writer: PostgresConnection, rate: Int) async throws {
        _ = try await writer.value("select job_id from belfry.create_replay_job(receiver => 'alice', rate => \(rate))")
    }

    private func wait(_ writer: PostgresConnection, for state: String = "done") async throws {
        try await eventually("the job is \(state)", within: .seconds(60)) {
            try await writer.value("select state from belfry.replay_job") == state
        }
    }

    private func queued(_ writer: PostgresConnection) async throws -> Int {
        Int(try await writer.value("select queued from belfry.replay_job")) ?? 0
    }

    private func hasGoneOn(_ writer: PostgresConnection, from count: Int) async throws -> Bool {
        try await writer.value("select state = 'done' or queued > \(count) from belfry.replay_job") == "t"
    }

    /// Each of alice's expired messages came by the bus under one stamp, and nothing else did.
    private func expectEachOnce(_ bus: RecordingBus, _ writer: PostgresConnection, count: Int) async throws {
        try await eventually("all are published") { Set(bus.ids).count >= count }
        let ids = bus.distinct.map(\.id).sorted()
        #expect(ids == (1...count).map { Int64(2 * $0) })
        #expect(bus.deliveries.allSatisfy { $0.address == .user("alice") })
        let row = try await writer.rows("select matched, queued, skipped, cardinality(held) from belfry.replay_job")
        #expect(row == [["\(count)", "\(count)", "0", "0"]])
        #expect(try await writer.value("select count(*) from belfry.outbox") == "\(count)")
    }

    /// Whoever holds the table and comes to the rows would else wait for what waits for them.
    @Test func `a lock of the table is not waited for`() async throws {
        let database = try await TestServer.makeDatabase()
        let writer = try await prepare(database, expired: 20)
        let holder = try await database.connect()
        try await holder.run("begin; lock table belfry.message_log in share mode")
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus)
        try await create(writer, rate: 10_000)
        // Past the second after which PostgreSQL looks for circles.
        try await Task.sleep(for: .milliseconds(1_500))
        try await holder.run("update belfry.message_log set viewed_at = now(); commit")
        try await wait(writer)
        try await expectEachOnce(bus, writer, count: 20)
        await relay.stop()
        await holder.close()
    }

    @Test func `some thousands come again, and nothing else`() async throws {
        let database = try await TestServer.makeDatabase()
        let writer = try await prepare(database, expired: 3_000)
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus)
        try await create(writer, rate: 10_000)
        try await wait(writer)
        try await expectEachOnce(bus, writer, count: 3_000)
        #expect(relay.events.contains(.replayJobDone(1)))
        await relay.stop()
    }

    @Test func `the next relay goes on where the last one stopped`() async throws {
        let database = try await TestServer.makeDatabase()
        let writer = try await prepare(database, expired: 2_000)
        let bus = RecordingBus()
        try await create(writer, rate: 2_000)
        var stops = 0
        while try await writer.value("select state from belfry.replay_job") == "running", stops < 100 {
            let before = try await queued(writer)
            let relay = try await RunningRelay(database, bus: bus)
            try await eventually("it has gone on", within: .seconds(60)) {
                try await hasGoneOn(writer, from: before)
            }
            await relay.stop()
            stops += 1
        }
        #expect(stops > 1, "it was never interrupted")
        let last = try await RunningRelay(database, bus: bus)
        try await wait(writer)
        try await expectEachOnce(bus, writer, count: 2_000)
        await last.stop()
    }

    @Test func `connections that are cut lose nothing and repeat nothing`() async throws {
        let database = try await TestServer.makeDatabase()
        let writer = try await prepare(database, expired: 3_000)
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus)
        try await create(writer, rate: 3_000)
        var cuts = 0
        while try await writer.value("select state from belfry.replay_job") == "running", cuts < 200 {
            // In a batch, if one is under way.
            let cut = try await writer.value(
                """
                select count(pg_terminate_backend(pid)) from pg_stat_activity
                where application_name = '\(relay.name)' and state = 'active' and query like '%step_replay_job%'
                """)
            cuts += Int(cut) ?? 0
            // The relay comes back within a moment; it must get somewhere between two cuts.
            if cut != "0" {
                let before = try await queued(writer)
                try await eventually("it has gone on", within: .seconds(60)) {
                    try await hasGoneOn(writer, from: before)
                }
            }
        }
        try await wait(writer)
        try await expectEachOnce(bus, writer, count: 3_000)
        await relay.stop()
    }

    @Test func `no more is queued than the rate allows, at any time`() async throws {
        let database = try await TestServer.makeDatabase()
        let writer = try await prepare(database, expired: 2_000)
        let relay = try await RunningRelay(database, bus: RecordingBus())
        try await create(writer, rate: 200)
        var last = 0
        while last < 300 {
            let row = try await writer.rows(
                """
                select j.queued, floor(j.rate * (extract(epoch from clock_timestamp() - j.created_at) + 1))
                from belfry.replay_job j
                """)[0]
            last = Int(row[0]) ?? 0
            #expect(last <= Int(row[1]) ?? 0)
        }
        try await writer.run("select belfry.pause_replay_job(1)")
        let paused = try await queued(writer)
        try await writer.run("select pg_sleep(0.5)")
        #expect(try await queued(writer) == paused)
        #expect(try await writer.value("select count(*) from belfry.outbox") == "\(paused)")
        try await writer.run("select belfry.resume_replay_job(1)")
        try await eventually("it goes on") { try await queued(writer) > paused }
        try await writer.run("select belfry.cancel_replay_job(1)")
        let cancelled = try await queued(writer)
        #expect(cancelled < 2_000)
        #expect(try await writer.value("select count(*) from belfry.outbox") == "\(cancelled)")
        await relay.stop()
    }

    @Test func `what an application holds comes when it lets go`() async throws {
        let database = try await TestServer.makeDatabase()
        let writer = try await prepare(database, expired: 100)
        let application = try await database.connect()
        try await application.run("begin; select from belfry.message_log where id in (2, 100) for update")
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus)
        try await create(writer, rate: 1_000)
        try await eventually("the others have come") { Set(bus.ids).count == 98 }
        let row = try await writer.rows("select state, held from belfry.replay_job")
        #expect(row == [["running", "{2,100}"]])
        try await application.run("rollback")
        try await wait(writer)
        try await expectEachOnce(bus, writer, count: 100)
        await relay.stop()
    }

    @Test func `a job waits for a bus that is away`() async throws {
        let database = try await TestServer.makeDatabase()
        let writer = try await prepare(database, expired: 8_000)
        let bus = RecordingBus()
        bus.setFault { _ in BusError(.unavailable, "The bus is away.") }
        let relay = try await RunningRelay(database, bus: bus)
        try await create(writer, rate: 10_000)
        try await eventually("it is full") { try await queued(writer) >= 5_000 }
        let bounds = ReplayBounds()
        for _ in 1...5 {
            try await writer.run("select pg_sleep(0.2)")
            #expect(try await queued(writer) <= bounds.unpublishedMax + bounds.queuedMax)
        }
        bus.setFault(nil)
        try await wait(writer)
        try await expectEachOnce(bus, writer, count: 8_000)
        await relay.stop()
    }

    @Test func `a batch that PostgreSQL refuses ends the job with a reason`() async throws {
        let database = try await TestServer.makeDatabase()
        let writer = try await prepare(database, expired: 10)
        try await writer.run(
            """
            create function public.refuse() returns trigger language plpgsql as $$
            begin raise exception 'Not this one.'; end $$;
            create trigger refuse before insert on belfry.outbox
                for each row when (new.message_id = 10) execute function public.refuse()
            """)
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus)
        try await create(writer, rate: 1_000)
        try await wait(writer, for: "failed")
        let reason = try await writer.value("select reason from belfry.replay_job")
        #expect(reason == "A batch was refused: Not this one.")
        try await writer.run("drop trigger refuse on belfry.outbox; select belfry.resume_replay_job(1)")
        try await wait(writer)
        try await expectEachOnce(bus, writer, count: 10)
        await relay.stop()
    }
}
