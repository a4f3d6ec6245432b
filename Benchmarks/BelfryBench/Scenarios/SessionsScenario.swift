import Foundation

/// Idle sessions: their memory, their processor time, and how fast they are accepted.
struct SessionsScenario: Scenario {
    let name = "sessions"
    let summary = "memory of a session, CPU of 10,000 and 50,000 idle ones, time to accept 10,000, beside nchan"

    private static let stages = [1_000, 5_000, 10_000]
    private static let accept = "accept"

    /// A contender and how a further server of it is started, by a name for its folder.
    private struct ServerFactory: Sendable {
        let name: String
        let start: @Sendable (String) async throws -> IdleServer

        init(_ name: String, start: @escaping @Sendable (String) async throws -> IdleServer) {
            self.name = name
            self.start = start
        }
    }

    func run(_ context: ScenarioContext) async throws -> ScenarioResult {
        try await Teardown.run { teardown in
            context.progress("sessions: starting PostgreSQL and Redis")
            let servers = try await ScenarioServers.start(context)
            teardown.add { await servers.stop() }
            var factories = [ServerFactory(Measure.belfry) { try await .belfry(context, servers, name: "node-\($0)") }]
            if NchanServer.isInstalled {
                factories.append(ServerFactory("nchan") { try await .nchan(context, name: "nchan-\($0)") })
            }
            let accepted = try await context.interleave(
                "sessions: accepting \(Self.stages[2])",
                factories.map { factory in
                    (factory.name, { _ in try await Self.acceptRun(try await factory.start("accept")) })
                })
            let pools = factories.map { factory in
                IdleSessionPool(factory.name) { try await factory.start("idle-\($0)") }
            }
            let idle: IdleResults
            do {
                idle = try await IdleResults.measure(context, pools, stages: Self.stages)
            } catch {
                for pool in pools { _ = try? await pool.end() }
                throw error
            }
            return result(accepted, idle, factories.map(\.name))
        }
    }

    /// Connects in stages, and looks at the memory after each; ends the server.
    private static func acceptRun(_ server: IdleServer) async throws -> [String: Double] {
        var swarms: [Swarm] = []
        var values: [String: Double] = [Self.accept: 0]
        do {
            let before = try server.usageNow().residentBytes
            var sessions = 0
            for stage in stages {
                let swarm = try await Swarm.start(server.swarm(stage - sessions, from: sessions).configuration)
                swarms.append(swarm)
                sessions = stage
                values[Self.accept, default: 0] += swarm.secondsToReady
                values["\(stage)"] = Double(try server.usageNow().residentBytes - before) / Double(stage) / 1_024
            }
            for swarm in swarms { try swarm.check() }
        } catch {
            for swarm in swarms { await swarm.stop() }
            await server.stop()
            throw error
        }
        for swarm in swarms { await swarm.stop() }
        await server.stop()
        return values
    }

    private func result(
        _ accepted: [String: [String: [Double]]], _ idle: IdleResults, _ names: [String]
    ) -> ScenarioResult {
        func contenders(_ key: String) -> [Contender] { names.map { Contender($0, accepted[$0]?[key] ?? []) } }
        var measures = Self.stages.map { stage in
            Measure(
                "memory a session, of \(stage)", unit: "KB", contenders("\(stage)"),
                targets: stage == Self.stages.last ? [Target(.atMost, 10)] : [])
        }
        measures += idle.measures(names)
        measures.append(Measure("accepting \(Self.stages[2])", unit: "s", contenders(Self.accept)))
        var notes = idle.notes
        notes.append(
            "Memory is the growth of the resident set since before the first session, by the number of sessions "
                + "(KB of 1,024 bytes). Each session has a user of its own and is connected and subscribed.")
        notes.append(
            "One event loop a node, one worker an nginx. Heart-beats go both ways every "
                + "\(IdleServer.heartBeatSeconds) s; nchan pings as often, and its clients answer.")
        if !names.contains("nchan") {
            notes.append("nchan is not installed and was left out: install the packages \(NchanServer.packages).")
        }
        return ScenarioResult(name, measures, notes: notes, curves: idle.curves)
    }
}
