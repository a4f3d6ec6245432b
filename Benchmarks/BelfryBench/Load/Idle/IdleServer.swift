/// Servers of one kind whose idle sessions are measured; each is one process's worth of descriptors.
struct IdleServer: Sendable {
    /// Sessions that one process takes: descriptors are limited, to 20,000 on many systems.
    static let sessionsMax = 17_000
    /// The period of heart-beats in both directions.
    static let heartBeatSeconds = 10

    let kind: IdleSwarm.Server
    let port: Int
    let usage: @Sendable () -> ServerUsage?
    let logTail: @Sendable () -> String
    let stop: @Sendable () async -> Void

    /// What the contender is called.
    var name: String { kind == .belfry ? Measure.belfry : "nchan" }

    /// `belfry node` with one event loop.
    static func belfry(_ context: ScenarioContext, _ servers: ScenarioServers, name: String) async throws -> IdleServer
    {
        var settings = servers.belfrySettings
        settings["BELFRY_THREADS"] = "1"
        let node = try await BelfryServer.start("node", context, settings: settings, name: name)
        return IdleServer(
            kind: .belfry, port: node.port, usage: { ServerUsage(of: [node.processIdentifier]) },
            logTail: { node.logTail }, stop: { await node.stop() })
    }

    /// nginx with nchan and one worker, which pings its clients as often as Belfry beats.
    static func nchan(_ context: ScenarioContext, name: String) async throws -> IdleServer {
        let server = try await NchanServer.start(context, pingSeconds: heartBeatSeconds, name: name)
        return IdleServer(
            kind: .nchan, port: server.port, usage: { server.usage }, logTail: { server.logTail },
            stop: { await server.stop() })
    }

    /// What it uses now.
    /// - Throws: when it has ended.
    func usageNow() throws -> ServerUsage {
        guard let usage = usage() else { throw BenchmarkError("\(name) has ended. Its log ends: \(logTail())") }
        return usage
    }

    /// A description of clients for it.
    func swarm(_ count: Int, from firstNumber: Int) -> IdleSwarm {
        var swarm = IdleSwarm(kind, port: port, count: count)
        swarm.firstNumber = firstNumber
        swarm.heartBeatMilliseconds = Self.heartBeatSeconds * 1_000
        return swarm
    }
}
