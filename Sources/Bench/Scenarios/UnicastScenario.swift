/// Many users with one session each: how many deliveries a second, and how late at half of that.
public struct UnicastScenario: Scenario {
    public let name = "unicast"
    public let summary = "2,000 users, messages straight to the bus: deliveries/s, latency at half of it, beside nchan"

    private static let sessions = 2_000
    /// Messages sent in one write while saturated.
    private static let batch = 32

    public init() {}

    public func run(_ bench: Bench) async throws -> ScenarioResult {
        try await Teardown.run { teardown in
            bench.progress("unicast: starting PostgreSQL, Redis, and the servers with one and two threads")
            let servers = try await BenchServers.start(bench)
            teardown.add { await servers.stop() }
            let stands = try await PushContenders.start(
                bench, servers, .oneEach(Self.sessions), sessions: Self.sessions
            ) { stand in
                try await stand.saturate(window: 1, batch: Self.batch, warmUp: 0.2, seconds: 0.5)
            }
            for stand in stands { teardown.add { await stand.end() } }
            return try await measure(bench, stands)
        }
    }

    private func measure(_ bench: Bench, _ stands: [PushStand]) async throws -> ScenarioResult {
        let names = stands.map(\.subject.name)
        let rates = try await bench.interleave(
            "unicast, saturated",
            stands.map { stand in
                (
                    stand.subject.name,
                    { _ in
                        ["rate": try await stand.saturate(window: 1, batch: Self.batch, warmUp: 0.3, seconds: 1.2)]
                    }
                )
            })
        var notes = stands.map { "Saturated: \($0.usageNote) \($0.threadsNote)." }
        let halves = names.map { (Statistics.median(rates[$0]?["rate"] ?? []) ?? 0) / 2 }
        let own = try await latencies(bench, "half of its own rate", stands, rates: halves, &notes)
        var measures = [
            Measure(
                "deliveries", unit: "/s", names.map { Contender($0, rates[$0]?["rate"] ?? []) },
                targets: names.contains("nchan") ? [Target(.atLeast, 1, of: "nchan")] : [])
        ]
        measures += own
        if let lower = halves.min(), stands.count > 1 {
            let same = [Double](repeating: lower, count: stands.count)
            measures += try await latencies(bench, "\(Int(lower / 100) * 100)/s", stands, rates: same, &notes)
        }
        notes.append(
            "\(Self.sessions) sessions, \(PushSubject.bodyBytes) bytes each to a random user; Belfry's messages were "
                + "published straight to Redis (ack auto), nchan's by pipelined POSTs, one channel a user.")
        notes += PushContenders.missing(stands)
        return ScenarioResult(name, measures, notes: notes)
    }

    /// p50 and p99 of each at its rate.
    private func latencies(
        _ bench: Bench, _ title: String, _ stands: [PushStand], rates: [Double], _ notes: inout [String]
    ) async throws -> [Measure] {
        var late = 0.0
        let values = try await bench.interleave(
            "unicast at \(title)",
            zip(stands, rates).map { stand, rate in
                (
                    stand.subject.name,
                    { _ in
                        let run = try await stand.pace(rate: rate, seconds: 1.2)
                        late = max(late, run.late)
                        return ["p50": run.latencies.p50, "p99": run.latencies.p99]
                    }
                )
            })
        if late > 0.01 {
            notes.append(
                "At \(title) up to \(Int(late * 100)) % of a run's messages went out over 2 ms late; they are timed "
                    + "from when they were due.")
        }
        return ["p50", "p99"].map { key in
            Measure(
                "\(key) at \(title)", unit: "µs",
                stands.map { Contender($0.subject.name, values[$0.subject.name]?[key] ?? []) })
        }
    }
}
