/// One topic with many sessions: how many deliveries a second.
public struct BroadcastScenario: Scenario {
    public let name = "broadcast"
    public let summary = "one topic, 2,000 and 10,000 sessions: deliveries/s, beside nginx with nchan"

    /// Messages that may be on their way to each session.
    private static let window = 16
    private static let individual = "client-individual"

    public init() {}

    public func run(_ bench: Bench) async throws -> ScenarioResult {
        try await Teardown.run { teardown in
            bench.progress("broadcast: starting PostgreSQL, Redis, and the servers with one and two threads")
            let servers = try await BenchServers.start(bench)
            teardown.add { await servers.stop() }
            let audience = PushSubject.Audience.everybody
            let stands = try await PushContenders.start(bench, servers, audience, sessions: 2_000) { stand in
                try await stand.saturate(window: Self.window, batch: 1, warmUp: 0.2, seconds: 0.5)
            }
            for stand in stands { teardown.add { await stand.end() } }
            return try await measure(bench, servers, stands, teardown)
        }
    }

    private func measure(
        _ bench: Bench, _ servers: BenchServers, _ stands: [PushStand], _ teardown: Teardown
    ) async throws -> ScenarioResult {
        let individual = try await individualStand(bench, servers, threads: stands[0].threads)
        teardown.add { await individual.end() }
        var contenders: [(name: String, run: (Int) async throws -> [String: Double])] = stands.map { stand in
            (stand.subject.name, { _ in ["small": try await Self.deliveries(stand)] })
        }
        contenders.append((Self.individual, { _ in ["small": try await Self.deliveries(individual)] }))
        var values = try await bench.interleave("broadcast to 2,000", contenders)
        var notes = stands.map { "2,000 sessions: \($0.usageNote) \($0.threadsNote)." }
        for stand in stands + [individual] { await stand.swarm.stop() }

        let large = try await bench.interleave(
            "broadcast to 10,000", stands.map { stand in (stand.subject.name, { _ in try await Self.largeRun(stand) }) }
        )
        values.merge(large) { $0.merging($1) { $1 } }
        notes.append(
            "Up to \(Self.window) messages of \(PushSubject.bodyBytes) bytes (\(Self.window / 2) with 10,000 "
                + "sessions) were on their way to each; Belfry's were published straight to Redis as the relay does, nchan's by POST over a "
                + "keep-alive connection.")
        notes.append("One or two threads each, whichever was faster. All messages were counted, 1 in 50 compared.")
        notes += PushContenders.missing(stands)
        return ScenarioResult(name, Self.measures(values, stands.map(\.subject.name)), notes: notes)
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

    private func individualStand(_ bench: Bench, _ servers: BenchServers, threads: Int) async throws -> PushStand {
        let subject = try await PushSubject.belfry(
            bench, servers, threads: threads, audience: .everybody, ack: Self.individual, name: "node-individual")
        return try await PushStand.connect(
            subject, .everybody, sessions: 2_000, threads: threads, acknowledges: true)
    }

    private static func deliveries(_ stand: PushStand) async throws -> Double {
        try await stand.saturate(window: window, batch: 1, warmUp: 0.3, seconds: 1.2)
    }

    /// Connects 10,000 anew each time: two such swarms would be over one process's limit of descriptors.
    private static func largeRun(_ small: PushStand) async throws -> [String: Double] {
        let stand = try await PushStand(small.subject, .everybody, sessions: 10_000, threads: small.threads)
        do {
            let rate = try await stand.saturate(window: window / 2, batch: 1, warmUp: 0.4, seconds: 1.3)
            await stand.swarm.stop()
            return ["large": rate]
        } catch {
            await stand.swarm.stop()
            throw error
        }
    }
}
