import Floors
import Foundation

/// What tracing a sample costs: INSERT → acknowledged → committed for 2,000 users as in `durable`, without any notes,
/// and with one message in 1,000 traced, by turns.
struct TraceScenario: Scenario {
    let name = "trace"
    let summary = "INSERT to committed acknowledgement with 1 message in 1,000 traced, beside none"

    private static let without = "nothing noted"
    private static let load = DurableSystem.Load(writers: 8, batchRows: 100)
    /// Traced, untraced, untraced, traced: what changes on the machine from minute to minute meets both alike.
    private static let order = [true, false, false, true]

    func run(_ context: ScenarioContext) async throws -> ScenarioResult {
        context.progress("trace: starting PostgreSQL and Redis")
        return try await ScenarioServers.with(context) { servers in try await measure(context, servers) }
    }

    private func measure(_ context: ScenarioContext, _ servers: ScenarioServers) async throws -> ScenarioResult {
        var rates: [Bool: [Double]] = [:]
        var shares: [Bool: String] = [:]
        _ = try await window(isTraced: false, context, servers)
        for round in 0..<context.rounds {
            for isTraced in Self.order {
                context.progress(
                    "trace: round \(round + 1) of \(context.rounds), \(isTraced ? Measure.belfry : Self.without)")
                let window = try await window(isTraced: isTraced, context, servers)
                rates[isTraced, default: []].append(window.rate)
                shares[isTraced] = window.shares
            }
        }
        let hops = try BareConnection(url: servers.postgresURL).number("select count(*) from belfry.hop")
        guard hops > 0 else { throw BenchmarkError("No hop was written: nothing was traced.") }
        return ScenarioResult(
            name,
            [
                Measure(
                    "committed deliveries", unit: "/s",
                    [Contender(Measure.belfry, rates[true] ?? []), Contender(Self.without, rates[false] ?? [])],
                    targets: [Target(.atLeast, 0.97, of: Self.without)])
            ],
            notes: [
                "belfry traces one message in 1,000; beside it `trace.keep` is 0s. Each window has a process of its "
                    + "own; \(hops) hops were written in all.",
                "Of one core in the last windows: \(shares[true] ?? "") with, \(shares[false] ?? "") without.",
            ])
    }

    private func window(
        isTraced: Bool, _ context: ScenarioContext, _ servers: ScenarioServers
    ) async throws -> DurableSystem.Window {
        let settings = ["BELFRY_TRACE_SAMPLE": "1000", "BELFRY_TRACE_KEEP": isTraced ? "1h" : "0s"]
        let server = try await BelfryServer.start(
            "serve", context, settings: servers.belfrySettings.merging(settings) { $1 })
        var swarm: Swarm?
        let outcome: Result<DurableSystem.Window, any Error>
        do {
            let system = try await DurableSystem.belfry(context, servers, server)
            swarm = system.swarm
            _ = try await system.window(Self.load, seconds: 2)
            outcome = .success(try await system.window(Self.load, seconds: context.isQuick ? 5 : 9))
        } catch {
            outcome = .failure(error)
        }
        await swarm?.stop()
        await server.stop()
        return try outcome.get()
    }
}
