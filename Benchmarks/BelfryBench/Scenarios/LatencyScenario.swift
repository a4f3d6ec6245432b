import Floors
import Foundation

/// From just before the INSERT to the client's socket, beside a bare relay and a Redis subscriber.
struct LatencyScenario: Scenario {
    let name = "latency"
    let summary =
        "INSERT to the client's socket, at 100/s and 1,000/s, beside a bare LISTEN-DELETE-PUBLISH relay"

    private static let bare = "bare relay"
    private static let user = "alice"
    private static let channel = "floor:alice"
    private static let rates = [100, 1_000]
    /// Of the curve, beside `rates`.
    private static let moreRates = [300, 2_000, 4_000]
    private static let capacity = 80_000

    func run(_ context: ScenarioContext) async throws -> ScenarioResult {
        context.progress("latency: starting PostgreSQL, Redis and belfry")
        return try await ScenarioServers.with(context) { servers in try await measure(context, servers) }
    }

    private func measure(_ context: ScenarioContext, _ servers: ScenarioServers) async throws -> ScenarioResult {
        let tables = try MessageTables(servers)
        try tables.emptyBelfry()
        let process = try await BelfryServer.start("serve", context, settings: servers.belfrySettings)
        do {
            let result = try await measure(context, servers, tables, process)
            await process.stop()
            return result
        } catch {
            await process.stop()
            throw error
        }
    }

    private func measure(
        _ context: ScenarioContext, _ servers: ScenarioServers, _ tables: MessageTables, _ process: BelfryServer
    ) async throws -> ScenarioResult {
        let log = LatencyLog(capacity: Self.capacity)
        let client = try AcknowledgingClient(port: process.port, user: Self.user, log)
        let belfry = LatencyProbe(
            Measure.belfry,
            ScheduledWriters(
                postgresURL: servers.postgresURL, database: nil,
                statement: "insert into belfry.message_log (receiver, type, data) values ($1, 'STRING_MSG', $2)",
                values: { [Self.user, "\"\(MessageText.content($0))\""] }), log)

        let bareLog = LatencyLog(capacity: Self.capacity)
        let subscriber = try BareSubscriber(redisURL: servers.redisURL, channels: [Self.channel]) {
            bareLog.arrived(UnsafeRawBufferPointer($0), at: $1)
        }
        let relay = try BareRelay(
            postgresURL: servers.postgresURL, database: MessageTables.floorDatabase, redisURL: servers.redisURL)
        let bare = LatencyProbe(
            Self.bare,
            ScheduledWriters(
                postgresURL: servers.postgresURL, database: MessageTables.floorDatabase, statement: BareRelay.insert,
                values: { [Self.channel, MessageText.body($0, receiver: Self.user)] }), bareLog)

        var result = try await compare(context, belfry, bare, tables, process)
        result.notes += try await stages(belfry, servers, tables)
        try relay.stop()
        try subscriber.stop()
        try client.stop()
        return result
    }

    private func compare(
        _ context: ScenarioContext, _ belfry: LatencyProbe, _ bare: LatencyProbe, _ tables: MessageTables,
        _ process: BelfryServer
    ) async throws -> ScenarioResult {
        for probe in [belfry, bare] { _ = try await probe.run(rate: 500, seconds: 0.5) }
        var load = Load()
        let values = try await context.interleave(
            name,
            [
                (
                    belfry.name,
                    { _ in
                        try await samples(of: belfry, context) { rate, seconds in
                            load.begin(process)
                            let run = try await belfry.run(rate: rate, seconds: seconds)
                            if rate == 1_000 { load.end(process) }
                            try await waitUntilAcknowledged(tables)
                            return run
                        }
                    }
                ),
                (
                    bare.name,
                    { _ in try await samples(of: bare, context) { try await bare.run(rate: $0, seconds: $1) } }
                ),
            ])
        var result = ScenarioResult(name, Self.measures(values))
        result.notes.append(
            "At 1,000/s belfry used \(load.share(load.belfry)) % of a core, the writer and the client of this program "
                + "together \(load.share(load.own)) %.")
        result.notes.append(
            "The bare relay's writer notifies in the statement of its INSERT; its rows hold finished bodies, and "
                + "nobody acknowledges. Belfry's client acknowledges each message.")
        for rate in Self.rates {
            for probe in [belfry, bare] {
                let insert = Statistics.median(values[probe.name]?["INSERT at \(rate)/s"] ?? []) ?? 0
                result.notes.append("Of \(probe.name)'s p50 at \(rate)/s the INSERT itself took \(Int(insert)) µs.")
                let carried = Statistics.median(values[probe.name]?["carried at \(rate)/s"] ?? []) ?? 0
                guard carried < 0.9 * Double(rate) else { continue }
                result.notes.append(
                    "\(probe.name) carried \(Int(carried))/s where \(rate)/s were due: commits took longer than their "
                        + "turn."
                )
            }
        }
        if !context.isQuick { try await addCurve(&result, context, belfry, bare, tables) }
        return result
    }

    /// Where the time of a message goes, from runs of their own in which somebody else listens at Redis, too.
    private func stages(
        _ probe: LatencyProbe, _ servers: ScenarioServers, _ tables: MessageTables
    ) async throws -> [String] {
        let inRedis = LatencyLog(capacity: Self.capacity)
        let channel = try tables.channel(ofUser: Self.user)
        let subscriber = try BareSubscriber(redisURL: servers.redisURL, channels: [channel]) {
            inRedis.arrived(UnsafeRawBufferPointer($0), at: $1)
        }
        var notes: [String] = []
        for rate in Self.rates {
            let run = try await probe.run(rate: rate, seconds: 2)
            try await waitUntilAcknowledged(tables)
            let published = LatencySummary(probe.log.microseconds(run.numbers, until: inRedis)).p50
            notes.append(
                "Stages of belfry at \(rate)/s, each a p50: INSERT committed after \(Int(run.insert.p50)) µs, "
                    + "published by Redis after \(Int(published)) µs, at the client's socket after "
                    + "\(Int(run.latency.p50)) µs.")
        }
        try subscriber.stop()
        return notes
    }

    private func samples(
        of probe: LatencyProbe, _ context: ScenarioContext, _ run: (Int, Double) async throws -> LatencyProbe.Run
    ) async throws -> [String: Double] {
        var values: [String: Double] = [:]
        for rate in Self.rates {
            let run = try await run(rate, context.isQuick ? 1.5 : rate == 100 ? 3 : 2)
            values["carried at \(rate)/s"] = run.rate
            values["INSERT at \(rate)/s"] = run.insert.p50
            for (percentile, value) in Self.percentiles(run.latency) { values["\(percentile) at \(rate)/s"] = value }
        }
        return values
    }

    private static func percentiles(_ latency: LatencySummary) -> [(String, Double)] {
        [("p50", latency.p50), ("p90", latency.p90), ("p99", latency.p99), ("max", latency.max)]
    }

    private static func measures(_ values: [String: [String: [Double]]]) -> [Measure] {
        let bounds = ["p50": 1.2, "p99": 2.0]
        return rates.flatMap { rate in
            ["p50", "p90", "p99", "max"].map { percentile in
                let name = "\(percentile) at \(rate)/s"
                return Measure(
                    name, unit: "µs",
                    [Measure.belfry, bare].map { Contender($0, values[$0]?[name] ?? []) },
                    targets: bounds[percentile].map { [Target(.atMost, $0, of: bare)] } ?? [])
            }
        }
    }

    /// The marks of a run are not to fall into the next one: waits until the outbox is empty.
    private func waitUntilAcknowledged(_ tables: MessageTables) async throws {
        let deadline = ContinuousClock.now + .seconds(10)
        while try tables.belfry.number("select count(*) from belfry.outbox") > 0 {
            guard ContinuousClock.now < deadline else {
                throw BenchmarkError("Acknowledged messages stay in the outbox.")
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func addCurve(
        _ result: inout ScenarioResult, _ context: ScenarioContext, _ belfry: LatencyProbe, _ bare: LatencyProbe,
        _ tables: MessageTables
    ) async throws {
        for probe in [belfry, bare] {
            var points: [(rate: Double, p50: Double, p99: Double)] = Self.rates.compactMap { rate in
                guard let p50 = result.median("p50 at \(rate)/s", probe.name),
                    let p99 = result.median("p99 at \(rate)/s", probe.name)
                else { return nil }
                return (Double(rate), p50, p99)
            }
            for rate in Self.moreRates {
                context.progress("latency: curve, \(probe.name) at \(rate)/s")
                let run = try await probe.run(rate: rate, seconds: rate > 1_000 ? 1 : 2)
                try await waitUntilAcknowledged(tables)
                guard run.rate > 0.9 * Double(rate) else {
                    result.notes.append("\(probe.name) carried \(Int(run.rate))/s of \(rate)/s: the curve ends there.")
                    break
                }
                points.append((Double(rate), run.latency.p50, run.latency.p99))
            }
            points.sort { $0.rate < $1.rate }
            for (percentile, y) in [("p50", points.map(\.p50)), ("p99", points.map(\.p99))] {
                result.curves.append(
                    Curve(
                        plot: "latency", name: "\(probe.name) \(percentile)", xLabel: "messages a second", yLabel: "µs",
                        x: points.map(\.rate), y: y))
            }
        }
        result.notes.append("Of the curve, rates above 1,000/s are sent by one connection for each 1,000/s.")
    }
}

extension ScenarioResult {
    /// The median of a contender in a measure.
    fileprivate func median(_ measure: String, _ contender: String) -> Double? {
        measures.first { $0.name == measure }?[contender]?.median
    }
}

/// Processor time of belfry and of this process over some runs.
private struct Load {
    var own = 0.0
    var belfry = 0.0
    private var seconds = 0.0
    private var start: (time: Int64, own: Double, belfry: Double) = (0, 0, 0)

    mutating func begin(_ process: BelfryServer) { start = Self.now(process) }

    mutating func end(_ process: BelfryServer) {
        let now = Self.now(process)
        own += now.own - start.own
        belfry += now.belfry - start.belfry
        seconds += Double(now.time - start.time) / 1e9
    }

    /// Processor seconds as per cent of a core.
    func share(_ cpuSeconds: Double) -> Int { seconds > 0 ? Int((cpuSeconds / seconds * 100).rounded()) : 0 }

    private static func now(_ process: BelfryServer) -> (time: Int64, own: Double, belfry: Double) {
        (BareClock.nanoseconds, ProcessUsage.own?.cpuSeconds ?? 0, process.usage?.cpuSeconds ?? 0)
    }
}
