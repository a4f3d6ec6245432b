/// One topic with many sessions: how many deliveries a second.
struct BroadcastScenario: Scenario {
    let name = "broadcast"
    let summary = "one topic, 2,000 and 10,000 sessions: deliveries/s, beside nginx with nchan"

    /// Messages that may be on their way to each session.
    private static let window = 16
    private static let individual = "client-individual"

    func run(_ context: ScenarioContext) async throws -> ScenarioResult {
        try await Teardown.run { teardown in
            context.progress("broadcast: starting PostgreSQL, Redis, and the servers with one and two threads")
            let servers = try await ScenarioServers.start(context)
            teardown.add { await servers.stop() }
            let audience = PushServer.Audience.broadcast
            let tests = try await PushContenders.start(context, servers, audience, sessions: 2_000) { test in
                try await test.saturate(window: Self.window, batch: 1, warmUp: 0.2, seconds: 0.5)
            }
            for test in tests { teardown.add { await test.end() } }
            return try await measure(context, servers, tests, teardown)
        }
    }

    private func measure(
        _ context: ScenarioContext, _ servers: ScenarioServers, _ tests: [PushLoadTest], _ teardown: Teardown
    ) async throws -> ScenarioResult {
        let individual = try await individualTest(context, servers, threads: tests[0].threads)
        teardown.add { await individual.end() }
        var contenders: [(name: String, run: (Int) async throws -> [String: Double])] = tests.map { test in
            (test.server.name, { _ in ["small": try await Self.deliveries(test)] })
        }
        contenders.append((Self.individual, { _ in ["small": try await Self.deliveries(individual)] }))
        var values = try await context.interleave("broadcast to 2,000", contenders)
        var notes = tests.map { "2,000 sessions: \($0.usageNote) \($0.threadsNote)." }
        for test in tests + [individual] { await test.swarm.stop() }

        let large = try await context.interleave(
            "broadcast to 10,000", tests.map { test in (test.server.name, { _ in try await Self.largeRun(test) }) }
        )
        values.merge(large) { $0.merging($1) { $1 } }
        notes.append(
            "Up to \(Self.window) messages of \(PushServer.bodyBytes) bytes (\(Self.window / 2) with 10,000 "
                + "sessions) were on their way to each; Belfry's were published straight to Redis as the relay does, "
                + "nchan's by POST over a keep-alive connection.")
        notes.append("One or two threads each, whichever was faster. All messages were counted, 1 in 50 compared.")
        notes += PushContenders.missing(tests)
        return ScenarioResult(name, Self.measures(values, tests.map(\.server.name)), notes: notes)
    }

    private static func measures(_ values: [String: [String: [Double]]], _ names: [String]) -> [Measure] {
        let targets = names.contains("nchan") ? [Target(.atLeast, 1.2, of: "nchan")] : []
        func measure(_ title: String, _ key: String, _ targets: [Target]) -> Measure {
            Measure(title, unit: "/s", names.map { Contender($0, values[$0]?[key] ?? []) }, targets: targets)
        }
        return [
            measure("deliveries to 2,000", "small", targets),
            measure("deliveries to 10,000", "large", targets),
            Measure(
                "deliveries to 2,000, each acknowledged", unit: "/s",
                [Contender(Measure.belfry, values[individual]?["small"] ?? [])]),
        ]
    }

    private func individualTest(
        _ context: ScenarioContext, _ servers: ScenarioServers, threads: Int
    ) async throws -> PushLoadTest {
        let server = try await PushServer.belfry(
            context, servers, threads: threads, audience: .broadcast, ack: Self.individual, name: "node-individual")
        return try await PushLoadTest.connect(
            server, .broadcast, sessions: 2_000, threads: threads, acknowledges: true)
    }

    private static func deliveries(_ test: PushLoadTest) async throws -> Double {
        try await test.saturate(window: window, batch: 1, warmUp: 0.3, seconds: 1.2)
    }

    /// Connects 10,000 anew each time: two such swarms would be over one process's limit of descriptors.
    private static func largeRun(_ small: PushLoadTest) async throws -> [String: Double] {
        let test = try await PushLoadTest(small.server, .broadcast, sessions: 10_000, threads: small.threads)
        do {
            let rate = try await test.saturate(window: window / 2, batch: 1, warmUp: 0.4, seconds: 1.3)
            await test.swarm.stop()
            return ["large": rate]
        } catch {
            await test.swarm.stop()
            throw error
        }
    }
}
