/// Many users with one session each: how many deliveries a second, and how late at half of that.
struct UnicastScenario: Scenario {
    let name = "unicast"
    let summary = "2,000 users, messages straight to the bus: deliveries/s, latency at half of it, beside nchan"

    private static let sessions = 2_000
    /// Messages sent in one write while saturated.
    private static let batch = 32

    func run(_ context: ScenarioContext) async throws -> ScenarioResult {
        try await Teardown.run { teardown in
            context.progress("unicast: starting PostgreSQL, Redis, and the servers with one and two threads")
            let servers = try await ScenarioServers.start(context)
            teardown.add { await servers.stop() }
            let tests = try await PushContenders.start(
                context, servers, .unicast(Self.sessions), sessions: Self.sessions
            ) { test in
                try await test.saturate(window: 1, batch: Self.batch, warmUp: 0.2, seconds: 0.5)
            }
            for test in tests { teardown.add { await test.end() } }
            return try await measure(context, tests)
        }
    }

    private func measure(_ context: ScenarioContext, _ tests: [PushLoadTest]) async throws -> ScenarioResult {
        let names = tests.map(\.server.name)
        let rates = try await context.interleave(
            "unicast, saturated",
            tests.map { test in
                (
                    test.server.name,
                    { _ in
                        ["rate": try await test.saturate(window: 1, batch: Self.batch, warmUp: 0.3, seconds: 1.2)]
                    }
                )
            })
        var notes = tests.map { "Saturated: \($0.usageNote) \($0.threadsNote)." }
        let halves = names.map { (Statistics.median(rates[$0]?["rate"] ?? []) ?? 0) / 2 }
        let own = try await latencies(context, "half of its own rate", tests, rates: halves, &notes)
        var measures = [
            Measure(
                "deliveries", unit: "/s", names.map { Contender($0, rates[$0]?["rate"] ?? []) },
                targets: names.contains("nchan") ? [Target(.atLeast, 1, of: "nchan")] : [])
        ]
        measures += own
        if let lower = halves.min(), tests.count > 1 {
            let same = [Double](repeating: lower, count: tests.count)
            measures += try await latencies(context, "\(Int(lower / 100) * 100)/s", tests, rates: same, &notes)
        }
        notes.append(
            "\(Self.sessions) sessions, \(PushServer.bodyBytes) bytes each to a random user; Belfry's messages were "
                + "published straight to Redis (ack auto), nchan's by pipelined POSTs, one channel a user.")
        notes += PushContenders.missing(tests)
        return ScenarioResult(name, measures, notes: notes)
    }

    /// p50 and p99 of each at its rate.
    private func latencies(
        _ context: ScenarioContext, _ title: String, _ tests: [PushLoadTest], rates: [Double], _ notes: inout [String]
    ) async throws -> [Measure] {
        var late = 0.0
        let values = try await context.interleave(
            "unicast at \(title)",
            zip(tests, rates).map { test, rate in
                (
                    test.server.name,
                    { _ in
                        let run = try await test.pace(rate: rate, seconds: 1.2)
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
                tests.map { Contender($0.server.name, values[$0.server.name]?[key] ?? []) })
        }
    }
}
