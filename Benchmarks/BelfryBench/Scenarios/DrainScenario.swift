import Floors
import Foundation

/// A backlog that waits while no relay runs, and then goes into Redis.
struct DrainScenario: Scenario {
    let name = "drain"
    let summary = "a backlog of 300,000 messages into Redis, beside a bare LISTEN-DELETE-PUBLISH relay"

    private static let bare = "bare relay"
    private static let measure = "drain"

    func run(_ context: ScenarioContext) async throws -> ScenarioResult {
        context.progress("drain: starting PostgreSQL and Redis")
        return try await ScenarioServers.with(context) { servers in try await measure(context, servers) }
    }

    private func measure(_ context: ScenarioContext, _ servers: ScenarioServers) async throws -> ScenarioResult {
        let rows = context.isQuick ? 100_000 : 300_000
        let tables = try MessageTables(servers)
        let meter = try PublishMeter(redisURL: servers.redisURL)
        var cpu = (seconds: 0.0, belfry: 0.0)
        let values = try await context.interleave(
            name,
            [
                (
                    Measure.belfry,
                    { _ in
                        let run = try await drainByBelfry(rows, context, servers, tables, meter)
                        cpu.seconds += Double(rows) / run.rate
                        cpu.belfry += run.cpuSeconds
                        return [Self.measure: run.rate]
                    }
                ),
                (Self.bare, { _ in [Self.measure: try await drainByFloor(rows, servers, tables, meter)] }),
            ])
        let measure = Measure(
            "drain of \(rows) rows", unit: "/s",
            [Measure.belfry, Self.bare].map { Contender($0, values[$0]?[Self.measure] ?? []) },
            targets: [Target(.atLeast, 3, of: Self.bare)])
        return ScenarioResult(
            name, [measure],
            notes: [
                "From the first PUBLISH that Redis counts to the last, asked every 2 ms; the relay's start is not in "
                    + "it.",
                "The bare relay's rows hold finished bodies and are deleted; Belfry makes the bodies, and its rows "
                    + "stay until they are acknowledged.",
                "All backlogs were vacuumed, analyzed and checkpointed before: nothing of the filling falls into a "
                    + "run.",
                "belfry relay used \(Int((cpu.belfry / cpu.seconds * 100).rounded())) % of a core, its start included.",
            ])
    }

    private func drainByBelfry(
        _ rows: Int, _ context: ScenarioContext, _ servers: ScenarioServers, _ tables: MessageTables,
        _ meter: PublishMeter
    ) async throws -> (rate: Double, cpuSeconds: Double) {
        try tables.emptyFloor()
        try tables.emptyBelfry()
        try await onOwnThread {
            try tables.fillBelfry(rows)
            try tables.belfry.execute("vacuum (analyze) belfry.message_log")
            try tables.belfry.execute("vacuum (analyze) belfry.outbox")
            try tables.belfry.execute("checkpoint")
        }
        let sample = SubscriberSample()
        let channel = try tables.channel(ofUser: "user7")
        let subscriber = try BareSubscriber(redisURL: servers.redisURL, channels: [channel]) { bytes, _ in
            sample.took(bytes)
        }
        let before = try meter.publishes()
        async let drained = meter.drain(rows, after: before)
        let relay = try await BelfryServer.start("relay", context, settings: servers.belfrySettings)
        do {
            let rate = try await drained
            let cpu = relay.usage?.cpuSeconds ?? 0
            await relay.stop()
            try sample.check(rows / MessageTables.users)
            try subscriber.stop()
            return (rate, cpu)
        } catch {
            await relay.stop()
            throw error
        }
    }

    private func drainByFloor(
        _ rows: Int, _ servers: ScenarioServers, _ tables: MessageTables, _ meter: PublishMeter
    ) async throws -> Double {
        try tables.emptyBelfry()
        try tables.emptyFloor()
        try await onOwnThread {
            try tables.fillFloor(rows)
            try tables.floor.execute("vacuum (analyze) bare_outbox")
            try tables.floor.execute("checkpoint")
        }
        let sample = SubscriberSample()
        let subscriber = try BareSubscriber(redisURL: servers.redisURL, channels: ["floor:user7"]) { bytes, _ in
            sample.took(bytes)
        }
        let before = try meter.publishes()
        async let drained = meter.drain(rows, after: before)
        let relay = try BareRelay(
            postgresURL: servers.postgresURL, database: MessageTables.floorDatabase, redisURL: servers.redisURL)
        let rate = try await drained
        try relay.stop()
        try sample.check(rows / MessageTables.users)
        try subscriber.stop()
        guard try tables.floor.number("select count(*) from bare_outbox") == 0 else {
            throw BenchmarkError("The bare relay left rows behind.")
        }
        return rate
    }
}
