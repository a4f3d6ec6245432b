import BelfryModel
import Bus
import DatabaseSupport
import Outbox
import Postgres
import Synchronization
import TestBasics
import Testing

@testable import Relay

/// What happens when the bus is away or refuses.
@Suite struct RelayBusFaultTests {
    @Test func `while the bus is away housekeeping goes on, and what was acknowledged is not published`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        bus.setFault { _ in BusError(.unavailable, "The bus is away.") }
        let relay = try await RunningRelay(database, bus: bus)
        let writer = try await database.connect()
        try await writer.run(SQL.insert("alice", count: 3))
        try await relay.wait(for: .busUnavailable)
        #expect(!relay.service.status.snapshot.isBusAvailable)
        try await writer.run(
            """
            insert into belfry.message_log (receiver, type, data, expires_at)
            values ('alice', 'STRING_MSG', '"a"', now() + interval '100 milliseconds')
            """)
        try await eventually("expiry goes on") {
            try await writer.value("select status from belfry.message_log where id = 4") == "expired"
        }
        // A node delivered one from PostgreSQL meanwhile.
        try await writer.run("delete from belfry.outbox where message_id = 2")
        let seen = relay.events.count { $0 == .busUnavailable }
        try await eventually("it tries again") { relay.events.count { $0 == .busUnavailable } > seen + 1 }
        bus.setFault(nil)
        try await eventually("the rest is published") { bus.ids.count >= 2 }
        try await relay.waitAsleep()
        #expect(bus.ids == [1, 3])
        #expect(relay.service.status.snapshot.isBusAvailable)
        await relay.stop()
    }

    /// The page behind the one that could not be published may have been read already: it is not its turn.
    @Test func `a bus that is away at the first page delays all pages and loses none`() async throws {
        let database = try await TestServer.makeDatabase()
        let writer = try await database.connect()
        try await writer.run(SQL.insert("alice", count: 2_500))
        let bus = RecordingBus()
        let tries = Atomic<Int>(0)
        bus.setFault { _ in
            let isFirst = tries.add(1, ordering: .relaxed).newValue == 1
            return isFirst ? BusError(.unavailable, "The bus is away.") : nil
        }
        let relay = try await RunningRelay(database, bus: bus)
        try await relay.waitAsleep()
        #expect(relay.events.contains(.busUnavailable))
        #expect(bus.ids == Array(1...2_500))
        await relay.stop()
    }

    @Test func `a message too large for the bus is parked and the others arrive`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        var limits = Limits()
        limits.envelopeBytesMax = 2_000
        let relay = try await RunningRelay(database, bus: bus, limits: limits)
        let writer = try await database.connect()
        try await writer.run(
            """
            insert into belfry.message_log (receiver, type, data)
            select 'alice', 'STRING_MSG', to_jsonb(repeat('x', case when i = 3 then 5000 else 5 end))
            from generate_series(1, 5) i
            """)
        try await relay.waitAsleep()
        try await eventually("the others are published") { bus.ids == [1, 2, 4, 5] }
        let row = try await writer.rows(
            "select m.id, m.status, m.status_reason = p.reason, "
                + "p.reason like 'Its envelope has 5___ bytes; at most 2000 are allowed.' "
                + "from belfry.parked p join belfry.message_log m on m.id = p.message_id")
        #expect(row == [["3", "parked", "t", "t"]])
        #expect(relay.events.contains(.parked(count: 1)))
        await relay.stop()
    }

    @Test func `a message that the bus refuses is found, tried again and parked`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        bus.setFault { batch in
            batch.contains { $0.address == .user("mallory") } ? BusError(.refused, "ERR not that one") : nil
        }
        var limits = Limits()
        limits.publishAttemptsMax = 2
        let relay = try await RunningRelay(database, bus: bus, limits: limits)
        let writer = try await database.connect()
        try await writer.run(
            """
            insert into belfry.message_log (receiver, type, data)
            select case when i in (7, 23) then 'mallory' else 'alice' end, 'STRING_MSG', '"x"'
            from generate_series(1, 40) i
            """)
        let good = Set((1...40).map(Int64.init)).subtracting([7, 23])
        try await eventually("the others are published") { Set(bus.ids) == good }
        // In the order of the page, however often.
        var firstSeen: [Int64] = []
        for id in bus.ids where !firstSeen.contains(id) { firstSeen.append(id) }
        #expect(firstSeen == good.sorted())
        try await eventually("both are parked") {
            try await writer.value("select count(*) from belfry.parked") == "2"
        }
        let rows = try await writer.rows("select message_id, attempts, reason from belfry.parked order by 1")
        let reason = "The bus refused it: ERR not that one"
        #expect(rows == [["7", "2", reason], ["23", "2", reason]])
        await relay.stop()
    }

    @Test func `a bus that refuses everything is waited for, and nobody is blamed`() async throws {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        bus.setFault { _ in BusError(.refused, "NOPERM this user has no permissions") }
        let relay = try await RunningRelay(database, bus: bus)
        let writer = try await database.connect()
        try await writer.run(SQL.insert("alice", count: 5))
        try await eventually("it tries again and again") { relay.events.count { $0 == .busUnavailable } > 3 }
        #expect(try await writer.value("select coalesce(max(attempts), -1) from belfry.outbox") == "0")
        bus.setFault(nil)
        try await eventually("all are published") { bus.ids == [1, 2, 3, 4, 5] }
        #expect(try await writer.value("select count(*) from belfry.parked") == "0")
        await relay.stop()
    }
}
