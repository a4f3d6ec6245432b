import Floors
import Foundation

/// A backlog that waits while no relay runs, and then goes into Redis.
public struct DrainScenario: Scenario {
    public let name = "drain"
    public let summary = "a backlog of 300,000 messages into Redis, beside a bare LISTEN-DELETE-PUBLISH relay"

    private static let bare = "bare relay"
    private static let measure = "drain"

    public init() {}

    public func run(_ bench: Bench) async throws -> ScenarioResult {
        bench.progress("drain: starting PostgreSQL and Redis")
        return try await BenchServers.with(bench) { servers in try await measure(bench, servers) }
    }

    private func measure(_ bench: Bench, _ servers: BenchServers) async throws -> ScenarioResult {
        let rows = bench.isQuick ? 100_000 : 300_000
        let filler = try DatabaseFiller(servers)
        let meter = try DatabaseDrainMeter(redisURL: servers.redisURL)
        var cpu = (seconds: 0.0, belfry: 0.0)
        let values = try await bench.interleave(
            name,
            [
                (
                    Measure.belfry,
                    { _ in
                        let run = try await drainByBelfry(rows, bench, servers, filler, meter)
                        cpu.seconds += Double(rows) / run.rate
                        cpu.belfry += run.cpuSeconds
                        return [Self.measure: run.rate]
                    }
                ),
                (Self.bare, { _ in [Self.measure: try await drainByFloor(rows, servers, filler, meter)] }),
            ])
        let measure = Measure(
            "drain of \(rows) rows", unit: "/s",
            [Measure.belfry, Self.bare].map { Contender($0, values[$0]?[Self.measure] ?? []) },
            targets: [Target(.atLeast, 3, of: Self.bare)])
        return ScenarioResult(
            name, [measure],
            notes: [
                "From the first PUBLISH that Redis counts to the last, asked every 2 ms; the relay's start is not in it.",
                "The bare relay's rows hold finished bodies and are deleted; Belfry makes the bodies, and its rows stay "
                    + "until they are acknowledged.",
                "All backlogs were vacuumed, analyzed and checkpointed before: nothing of the filling falls into a run.",
                "belfry relay used \(Int((cpu.belfry / cpu.seconds * 100).rounded())) % of a core, its start included.",
            ])
    }

    private func drainByBelfry(
        _ rows: Int, _ bench: Bench, _ servers: BenchServers, _ filler: DatabaseFiller, _ meter: DatabaseDrainMeter
    ) async throws -> (rate: Double, cpuSeconds: Double) {
        try filler.emptyFloor()
        try filler.emptyBelfry()
        try await DatabaseThread.run {
            try filler.fillBelfry(rows)
            try filler.belfry.execute("vacuum (analyze) belfry.message_log")
            try filler.belfry.execute("vacuum (analyze) belfry.outbox")
            try filler.belfry.execute("checkpoint")
        }
        let sample = DatabaseSample()
        let channel = try filler.channel(ofUser: "user7")
        let subscriber = try BareSubscriber(redisURL: servers.redisURL, channels: [channel]) { bytes, _ in
            sample.took(bytes)
        }
        let before = try meter.publishes()
        async let drained = meter.drain(rows, after: before)
        let relay = try await BelfryServer.start("relay", bench, settings: servers.belfrySettings)
        do {
            let rate = try await drained
            let cpu = relay.usage?.cpuSeconds ?? 0
            await relay.stop()
            try sample.check(rows / DatabaseFiller.users)
            try subscriber.stop()
            return (rate, cpu)
        } catch {
            await relay.stop()
            throw error
        }
    }

    private func drainByFloor(
        _ rows: Int, _ servers: BenchServers, _ filler: DatabaseFiller, _ meter: DatabaseDrainMeter
    ) async throws -> Double {
        try filler.emptyBelfry()
        try filler.emptyFloor()
        try await DatabaseThread.run {
            try filler.fillFloor(rows)
            try filler.floor.execute("vacuum (analyze) bare_outbox")
            try filler.floor.execute("checkpoint")
        }
        let sample = DatabaseSample()
        let subscriber = try BareSubscriber(redisURL: servers.redisURL, channels: ["floor:user7"]) { bytes, _ in
            sample.took(bytes)
        }
        let before = try meter.publishes()
        async let drained = meter.drain(rows, after: before)
        let relay = try BareRelay(
            postgresURL: servers.postgresURL, database: DatabaseFiller.floorDatabase, redisURL: servers.redisURL)
        let rate = try await drained
        try relay.stop()
        try sample.check(rows / DatabaseFiller.users)
        try subscriber.stop()
        guard try DatabaseFiller.count(filler.floor, "select count(*) from bare_outbox") == 0 else {
            throw BenchError("The bare relay left rows behind.")
        }
        return rate
    }
}
