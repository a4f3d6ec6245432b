import Foundation
import Synchronization

/// Idle sessions on the servers of one contender, held by child processes; more are added stage by stage.
///
/// Unchecked: used by one task.
final class IdleSessionPool: @unchecked Sendable {
    let name: String
    private(set) var sessions = 0
    private let start: (Int) async throws -> IdleServer
    private var servers: [(server: IdleServer, sessions: Int, bytesBefore: Int)] = []
    private var swarms: [SwarmProcess] = []

    /// - Parameter start: a further server, by its place.
    init(_ name: String, start: @escaping (Int) async throws -> IdleServer) {
        self.name = name
        self.start = start
    }

    /// Connects until there are `total` sessions; starts servers as they fill up.
    func grow(to total: Int) async throws {
        while sessions < total {
            if servers.last.map({ $0.sessions >= IdleServer.sessionsMax }) ?? true {
                let server = try await start(servers.count)
                servers.append((server, 0, 0))
                servers[servers.count - 1].bytesBefore = try server.usageNow().residentBytes
            }
            let last = servers.count - 1
            let count = min(total - sessions, IdleServer.sessionsMax - servers[last].sessions)
            swarms.append(try await SwarmProcess.start(servers[last].server.swarm(count, from: sessions)))
            servers[last].sessions += count
            sessions += count
        }
    }

    /// Resident memory of all servers, less what they had before the first session.
    func memory() throws -> Double {
        try servers.reduce(0) { $0 + Double(try $1.server.usageNow().residentBytes - $1.bytesBefore) }
    }

    /// Seconds of processor time of all servers, and of the load generators.
    func processorSeconds() throws -> (servers: Double, clients: Double) {
        let used = try servers.reduce(0) { $0 + (try $1.server.usageNow().cpuSeconds) }
        return (used, swarms.reduce(0) { $0 + ($1.usage?.cpuSeconds ?? 0) })
    }

    /// Servers that it took.
    var serverCount: Int { servers.count }

    /// Ends clients and servers.
    /// - Returns: the heart-beats that the clients received.
    /// - Throws: what went wrong with a client; all are ended also then.
    func end() async throws -> Int {
        var beats = 0
        var failure: (any Error)?
        for swarm in swarms {
            do { beats += try await swarm.stop() } catch { failure = error }
        }
        swarms = []
        for server in servers { await server.server.stop() }
        servers = []
        if let failure { throw failure }
        return beats
    }
}
