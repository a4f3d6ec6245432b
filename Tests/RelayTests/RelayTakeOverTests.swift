import BelfryModel
import Bus
import DatabaseSupport
import NIOCore
import Logging
import Outbox
import Postgres
import ServiceLifecycle
import Synchronization
import TestBasics
import Testing

@testable import Relay

/// Leaders that die, are superseded, or meet another cluster.
@Suite struct RelayTakeOverTests {
    @Test func `a killed leader is replaced within two seconds`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        let first = try await RunningRelay(database, bus: bus)
        try await first.waitAsleep()
        let second = try await RunningRelay(database, bus: bus)
        try await second.wait(for: .standsBy)
        let writer = try await database.connect()
        try await writer.run(SQL.insert())
        try await eventually("the first publishes") { bus.ids == [1] }

        // Connections that end as a killed process's do; the relay itself comes back as a standby.
        let start = ContinuousClock.now
        _ = try await writer.rows(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = '\(first.name)'")
        try await writer.run(SQL.insert())
        try await eventually("the second publishes") { bus.ids.contains(2) }
        #expect(start.duration(to: .now) < .seconds(2))
        try await first.wait(for: .steppedDown(.postgresFailed))
        try await eventually("there is one leader") { first.isLeader != second.isLeader }
        await second.stop()
        try await writer.run(SQL.insert())
        try await eventually("the first leads again") { bus.ids.contains(3) }
        await first.stop()
        // A death between publishing and advancing repeats a message under the same stamp, which nodes drop.
        #expect(bus.distinct.map(\.id) == [1, 2, 3])
    }

    @Test func `a relay that dies between publishing and advancing repeats one page at most`() async throws {
        let database = try await TestServer.makeDatabase()
        let writer = try await database.connect()
        try await writer.run(SQL.insert("alice", count: 2_500))
        let bus = RecordingBus()
        let isFirst = Atomic<Bool>(true)
        let admin = try await database.connect()
        // After the second page was published, the leader's connection ends before the cursor moves.
        let pages = Atomic<Int>(0)
        let relay = try await RunningRelay(
            database,
            bus: KillingBus(bus) { name in
                guard pages.add(1, ordering: .relaxed).newValue == 2 else { return }
                guard isFirst.exchange(false, ordering: .relaxed) else { return }
                _ = try? await admin.rows(
                    """
                    select pg_terminate_backend(backend_pid) from belfry.relay_cursor
                    """)
            })
        try await relay.waitAsleep()
        #expect(relay.events.contains(.steppedDown(.postgresFailed)))
        #expect(Array(bus.ids.prefix(2_000)) == Array(1...2_000))
        #expect(Array(bus.ids.dropFirst(2_000)) == Array(1_001...2_500))
        #expect(Set(bus.deliveries).count == 2_500, "a repeat has the same stamp, so that nodes know it")
        await relay.stop()
    }

    @Test func `a superseded leader steps down`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus)
        try await relay.waitAsleep()
        let writer = try await database.connect()
        try await writer.run("update belfry.relay_cursor set term = term + 1, relay = 'another', backend_pid = null")
        try await writer.run(SQL.insert())
        try await relay.wait(for: .steppedDown(.superseded))
        // The other one never advanced, so the row is published by the next leader, under the same stamp.
        try await eventually("it leads again") { relay.isLeader }
        try await relay.waitAsleep(after: 1)
        #expect(Set(bus.deliveries).count == 1)
        await relay.stop()
    }

    /// The page behind may have been read already.
    @Test func `a leader that was superseded while it published publishes no further page`() async throws {
        let database = try await TestServer.makeDatabase()
        let (writer, other) = (try await database.connect(), try await database.connect())
        try await writer.run(SQL.insert("alice", count: 2_500))
        let bus = RecordingBus()
        let pages = Atomic<Int>(0)
        let published = Atomic<Int>(0)
        let superseding = KillingBus(bus) { _ in
            guard pages.add(1, ordering: .relaxed).newValue == 1 else { return }
            try? await other.run(
                "update belfry.relay_cursor set term = term + 1, relay = 'another', backend_pid = null")
        }
        let relay = try await RunningRelay(database, bus: superseding) { event in
            guard event == .steppedDown(.superseded) else { return }
            published.store(bus.ids.count, ordering: .relaxed)
        }
        try await relay.wait(for: .steppedDown(.superseded))
        try await eventually("it is noted what was published by then") { published.load(ordering: .relaxed) > 0 }
        #expect(published.load(ordering: .relaxed) == 1_000)
        // The other one never published anything, so this one does when it leads again.
        try await relay.waitAsleep()
        #expect(Set(bus.ids) == Set(1...2_500))
        await relay.stop()
    }

    @Test func `in another cluster everything in the outbox is published`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        let first = try await RunningRelay(database, bus: bus)
        try await first.waitAsleep()
        let writer = try await database.connect()
        try await writer.run(SQL.insert("alice", count: 3))
        try await eventually("all are published") { bus.ids == [1, 2, 3] }
        await first.stop()
        // As after a dump was restored elsewhere: stamps of another cluster, some above all that this one has given
        // out.
        try await writer.run(
            """
            update belfry.outbox set xid = (message_id * 10000000000)::text::xid8;
            update belfry.relay_cursor set system_identifier = 42, snapshot = '90000000000:90000000000:'
            """)
        let second = try await RunningRelay(database, bus: bus)
        try await eventually("all are published once more") { bus.ids.count >= 6 }
        try await writer.run(SQL.insert())
        try await eventually("and what comes after") { bus.ids == [1, 2, 3, 1, 2, 3, 4] }
        await second.stop()
    }

    @Test func `a graceful shutdown ends it and gives the leadership back`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        let client = PostgresClient(configuration: try database.configuration(role: "test_service"), size: 2)
        client.start()
        let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
        let isLeader = Flag()
        let relay = RelayService(
            configuration: RelayConfiguration(
                postgres: try database.configuration(role: "test_service"),
                installation: try await database.installation().id, name: "graceful"),
            client: client, bus: bus, logger: logger, onEvent: { if case .slept = $0 { isLeader.set() } })
        let group = ServiceGroup(services: [relay], logger: logger)
        let running = Task { try await group.run() }
        try await eventually("it sleeps") { isLeader.isSet }
        await group.triggerGracefulShutdown()
        try await running.value
        let connection = try await database.connect()
        let row = try await connection.rows(
            "select leader_seen_at is null, (select last_value from belfry.doorbell) from belfry.relay_cursor")
        #expect(row == [["t", "2"]])
        await connection.close()
        await client.close()
    }

    @Test func `a restart of PostgreSQL is survived`() async throws {
        let server = try await TestServer.startOwn()
        let database = TestDatabase(url: server.url)
        let admin = try await database.connect()
        try await admin.run("create role test_service login superuser")
        await admin.close()
        _ = try await Migrator(configuration: database.configuration()).apply()
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus)
        try await relay.waitAsleep()
        for round in 1...2 {
            let before = try await database.connect()
            try await before.run(SQL.insert())
            try await eventually("it is published") { bus.ids.count >= round * 2 - 1 }
            let leads = relay.events.count { if case .becameLeader = $0 { true } else { false } }
            if round == 1 { server.kill() }
            try await server.restart()
            let after = try await database.connect()
            try await after.run(SQL.insert())
            await after.close()
            try await eventually("it is published after the restart") { Set(bus.ids).count >= round * 2 }
            #expect(relay.events.count { if case .becameLeader = $0 { true } else { false } } > leads)
        }
        await relay.stop()
        await server.stop()
    }
}

/// Publishes on another bus, and does something after each batch.
private final class KillingBus: Bus {
    private let bus: RecordingBus
    private let afterPublish: @Sendable (Int) async -> Void

    init(_ bus: RecordingBus, afterPublish: @escaping @Sendable (Int) async -> Void) {
        self.bus = bus
        self.afterPublish = afterPublish
    }

    func publish(_ batch: [BusPublication]) async throws(BusError) {
        try await bus.publish(batch)
        await afterPublish(batch.count)
    }

    func makeSubscriber(on eventLoop: any EventLoop, delegate: any BusSubscriberDelegate) -> any BusSubscriber {
        bus.makeSubscriber(on: eventLoop, delegate: delegate)
    }

    func close() async {}
}

private final class Flag: Sendable {
    private let value = Atomic<Bool>(false)
    func set() { value.store(true, ordering: .releasing) }
    var isSet: Bool { value.load(ordering: .acquiring) }
}
