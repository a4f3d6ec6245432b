import BelfryModel
import Bus
import DatabaseSupport
import Outbox
import Postgres
import TestBasics
import Testing

@testable import Relay

/// What the leader does beside its loop, seen in the database.
@Suite struct RelayHousekeepingTests {
    /// Waits until the housekeeping has been through all of its duties since the call. What expires is dealt with
    /// first, so that the second message is taken in a later round than the first.
    private func roundEnds(_ writer: PostgresConnection) async throws {
        for _ in 0..<2 {
            let id = try await writer.value(
                """
                insert into belfry.message_log (receiver, type, expires_at)
                values ('nobody', 'JSON_MSG', now() - interval '1 second') returning id
                """)
            try await eventually("message \(id) is expired") {
                try await writer.value("select status from belfry.message_log where id = \(id)") == "expired"
            }
        }
    }

    /// After an outage of PostgreSQL all nodes are late with their signs of life.
    @Test func `a leader that has just begun takes no node for dead`() async throws {
        let database = try await TestServer.makeDatabase()
        let writer = try await database.connect()
        try await writer.run(
            """
            insert into belfry.node (id, host, pid, listen, heartbeat_at)
            values ('00000000-0000-0000-0000-00000000000a', 'a', 1, ':1', now() - interval '20 seconds')
            """)
        let relay = try await RunningRelay(database, bus: RecordingBus())
        try await roundEnds(writer)
        #expect(try await writer.value("select count(*) from belfry.node") == "1")
        await relay.stop()
    }

    @Test func `a broadcast that was held while it was published ends in its time all the same`() async throws {
        let database = try await TestServer.makeDatabase()
        let (writer, application) = (try await database.connect(), try await database.connect())
        var limits = Limits()
        limits.topicHold = .milliseconds(100)
        let bus = RecordingBus()
        bus.setFault { _ in BusError(.unavailable, "The bus is away.") }
        let relay = try await RunningRelay(database, bus: bus, limits: limits)
        try await writer.run("insert into belfry.message_log (topic, type) values ('news', 'JSON_MSG')")
        try await relay.wait(for: .busUnavailable)
        try await application.run("begin; select from belfry.outbox where topic = 'news' for update")
        try await roundEnds(writer)
        bus.setFault(nil)
        try await relay.wait(for: .advanced)
        #expect(bus.ids == [1])
        try await application.run("rollback")
        try await eventually("nobody took it") {
            try await writer.value("select status from belfry.message_log where id = 1") == "expired"
        }
        await relay.stop()
    }

    @Test func `a message that cannot be published, held while it is found, is parked later`() async throws {
        let database = try await TestServer.makeDatabase()
        let (writer, application) = (try await database.connect(), try await database.connect())
        try await writer.run(
            """
            insert into belfry.message_log (receiver, type, data)
            values ('alice', 'JSON_MSG', to_jsonb(repeat('x', 5000)))
            """)
        try await application.run("begin; select from belfry.outbox for update")
        var limits = Limits()
        limits.envelopeBytesMax = 2_000
        let relay = try await RunningRelay(database, bus: RecordingBus(), limits: limits)
        try await relay.wait(for: .advanced)
        #expect(try await writer.value("select status from belfry.message_log") == "pending")
        try await application.run("rollback")
        try await eventually("it is parked") {
            try await writer.value("select status from belfry.message_log") == "parked"
        }
        await relay.stop()
    }
}
