import BelfryModel
import Bus
import DatabaseSupport
import Outbox
import Postgres
import TestBasics
import Testing

@testable import Relay

/// From a committed row to the bus, on a real PostgreSQL.
@Suite struct RelayDeliveryTests {
    @Test func `committed rows are published in order, rolled back ones never`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus)
        let writer = try await database.connect()
        let other = try await database.connect()
        var committed: [Int64] = []
        for round in 0..<20 {
            try await writer.run("begin")
            let id = try await writer.value(SQL.insert() + " returning id")
            try await other.run("begin; \(SQL.insert("bob")); rollback")
            if round.isMultiple(of: 3) {
                try await writer.run("rollback")
            } else {
                try await writer.run("commit")
                committed.append(try #require(Int64(id)))
            }
        }
        try await eventually("all are published") { bus.ids.count >= committed.count }
        try await relay.waitAsleep(after: relay.sleeps - (relay.isAsleep ? 1 : 0))
        #expect(bus.ids == committed)
        await relay.stop()
    }

    @Test func `a long unrelated transaction neither delays nor repeats anything`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus)
        let unrelated = try await database.connect()
        let late = try await database.connect()
        let writer = try await database.connect()
        try await unrelated.run("begin; create table public.unrelated (id int)")
        try await late.run("begin; \(SQL.insert("late"))")
        var expected: [Int64] = []
        for _ in 0..<10 {
            expected.append(Int64(try await writer.value(SQL.insert() + " returning id")) ?? 0)
            let start = ContinuousClock.now
            try await eventually("it is published though others are running") { bus.ids == expected }
            #expect(start.duration(to: .now) < .seconds(2))
        }
        try await late.run("commit")
        expected.append(1)
        try await eventually("the late one is published") { bus.ids.count >= expected.count }
        try await unrelated.run("commit")
        try await relay.waitAsleep()
        #expect(bus.ids == expected)
        await relay.stop()
    }

    @Test func `a backlog of several pages is published once`() async throws {
        let database = try await TestServer.makeDatabase()
        let writer = try await database.connect()
        try await writer.run(SQL.insert("alice", count: 3_500))
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus)
        try await relay.waitAsleep()
        #expect(bus.ids == Array(1...3_500))
        #expect(relay.events.count { if case .published = $0 { true } else { false } } == 4)
        let status = relay.service.status.snapshot
        #expect(status.isLeader && status.isListening == true && status.isBusAvailable && status.lag == .zero)
        await relay.stop()
        #expect(!relay.isLeader)
        #expect(relay.events.last == .steppedDown(.stopped))
    }

    @Test func `held back messages come when they are due, and together in the order of their writing`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus)
        try await relay.waitAsleep()
        let writer = try await database.connect()
        try await writer.run(
            """
            insert into belfry.message_log (receiver, type, data, not_before) values
                ('alice', 'STRING_MSG', '"d"', clock_timestamp() + interval '900 milliseconds'),
                ('alice', 'STRING_MSG', '"b"', now() + interval '400 milliseconds'),
                ('alice', 'STRING_MSG', '"c"', now() + interval '400 milliseconds'),
                ('alice', 'STRING_MSG', '"a"', null)
            """)
        for count in 1...4 {
            try await eventually("message \(count)") { bus.ids.count >= count }
            let id = bus.ids[count - 1]
            let isDue = try await writer.value(
                "select not_before is null or clock_timestamp() >= not_before from belfry.message_log where id = \(id)")
            #expect(isDue == "t")
        }
        #expect(bus.ids.first == 4)
        #expect(bus.ids.filter { $0 == 2 || $0 == 3 } == [2, 3])
        #expect(bus.ids.sorted() == [1, 2, 3, 4])
        #expect(relay.events.contains { if case .released = $0 { true } else { false } })
        await relay.stop()
    }

    @Test func `expired messages are marked and never published`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus)
        try await relay.waitAsleep()
        let writer = try await database.connect()
        try await writer.run(
            """
            insert into belfry.message_log (receiver, type, data, not_before, expires_at) values
                ('alice', 'STRING_MSG', '"a"', null, now() - interval '1 second'),
                ('alice', 'STRING_MSG', '"b"', now() + interval '1 hour', now() + interval '2 hours'),
                ('alice', 'STRING_MSG', '"c"', null, now() + interval '1 hour')
            """)
        try await eventually("it is marked") {
            try await writer.value("select status from belfry.message_log where id = 1") == "expired"
        }
        try await writer.run("update belfry.outbox set expires_at = now() where message_id = 2")
        try await eventually("the second is marked") {
            try await writer.value("select status from belfry.message_log where id = 2") == "expired"
        }
        #expect(bus.ids == [3])
        #expect(relay.events.contains(.expired(count: 1)))
        await relay.stop()
    }

    @Test func `broadcasts stay for late nodes, then expire when nobody took them`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        var limits = Limits()
        limits.topicHold = .milliseconds(500)
        let relay = try await RunningRelay(database, bus: bus, limits: limits)
        try await relay.waitAsleep()
        let writer = try await database.connect()
        try await writer.run("select belfry.broadcast('news', 'STRING_MSG', '\"a\"')")
        try await eventually("it is noted as published") {
            try await writer.value("select published_at is not null from belfry.outbox") == "t"
        }
        #expect(bus.deliveries.first?.address == .topic("news"))
        try await eventually("its time is over") {
            try await writer.value("select status from belfry.message_log") == "expired"
        }
        #expect(try await writer.value("select count(*) from belfry.outbox") == "0")
        await relay.stop()
    }

    @Test func `a replayed message is published again`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        let relay = try await RunningRelay(database, bus: bus)
        try await relay.waitAsleep()
        let writer = try await database.connect()
        try await writer.run(SQL.insert())
        try await eventually("it is published") { bus.ids == [1] }
        try await writer.run("select belfry.replay(ids => array[1])")
        try await eventually("it is published again") { bus.ids == [1, 1] }
        #expect(Set(bus.deliveries.map(\.xid)).count == 2)
        await relay.stop()
    }
}
