import BelfryModel
import DatabaseSupport
import Outbox
import PoolerSupport
import Postgres
import TestBasics
import Testing

@testable import Relay

/// Without LISTEN: behind a pooler in transaction mode, and when the listener's connection is lost.
@Suite struct RelayPollingTests {
    @Test(.enabled(if: PrivatePooler.program != nil, "pgbouncer is not installed"))
    func `behind a pooler it polls, and another takes over when it falls silent`() async throws {
        let database = try await TestServer.makeDatabase()
        let poolers = try (0..<2).map { _ in try PrivatePooler(database: database.url, role: "test_service") }
        defer { for pooler in poolers { pooler.kill() } }
        let bus = RecordingBus()
        let first = try await RunningRelay(database, bus: bus, url: poolers[0].url)
        try await first.wait(for: .listening(false))
        try await eventually("it leads") { first.isLeader }
        let second = try await RunningRelay(database, bus: bus, url: poolers[1].url)
        try await second.wait(for: .standsBy)
        let writer = try await database.connect()
        for number in 1...20 {
            try await writer.run(SQL.insert())
            try await eventually("it is published by polling", within: .seconds(2)) { bus.ids.count == number }
        }
        #expect(first.sleeps == 0)
        #expect(!second.isLeader)
        // Writers are not asked to ring in vain.
        #expect(try await writer.value("select last_value from belfry.doorbell") == "2")

        poolers[0].kill()
        let start = ContinuousClock.now
        try await writer.run(SQL.insert())
        try await eventually("the second publishes") { bus.ids.contains(21) }
        #expect(start.duration(to: .now) < .seconds(5))
        #expect(bus.distinct.map(\.id) == Array(1...21))
        await first.stop()
        await second.stop()
    }

    @Test(.enabled(if: PrivatePooler.program != nil, "pgbouncer is not installed"))
    func `a pooler that takes no settings is used without them`() async throws {
        let database = try await TestServer.makeDatabase()
        let pooler = try PrivatePooler(database: database.url, role: "test_service")
        defer { pooler.kill() }
        var configuration = try PostgresConfiguration(url: pooler.url, applicationName: "test")
        configuration.sessionSettings = ["enable_seqscan": "off"]
        let client = PostgresClient(configuration: configuration, size: 1)
        client.start()
        try await eventually("it is connected") { client.isAvailable }
        let result = try await client.execute(PostgresStatement("", "select current_setting('enable_seqscan')"))
        #expect(result.string(0, 0) == "on")
        await client.close()
    }

    @Test func `the leader listens on its own connection, and nothing waits when it or the one standing by is lost`()
        async throws
    {
        let database = try await TestServer.makeDatabase()
        let bus = RecordingBus()
        var limits = Limits()
        limits.safetyPollInterval = .seconds(3_600)
        let relay = try await RunningRelay(database, bus: bus, limits: limits)
        try await relay.waitAsleep()
        let writer = try await database.connect()
        func end(_ connections: String) async throws -> Int {
            try await writer.rows(
                """
                select pg_terminate_backend(a.pid) from pg_stat_activity a
                where a.application_name = '\(relay.name)' and \(connections)
                """
            ).count
        }
        for round in 1...2 {
            try await eventually("one stands by, and is ended") { try await end("a.query ilike 'unlisten%'") == 1 }
            try await writer.run(SQL.insert())
            try await eventually("it is published", within: .seconds(2)) { bus.ids.count == 2 * round - 1 }
            #expect(relay.events.filter { $0 == .steppedDown(.postgresFailed) }.count == round - 1)
            try await relay.waitAsleep()

            let sleeps = relay.sleeps
            #expect(try await end("a.pid = (select backend_pid from belfry.relay_cursor)") == 1)
            try await writer.run(SQL.insert())
            try await eventually("it is published", within: .seconds(5)) { bus.ids.count == 2 * round }
            try await relay.waitAsleep(after: sleeps)
        }
        #expect(!relay.events.contains(.woke(.safetyPoll)))
        await relay.stop()
    }
}
