import BelfryModel
import Foundation
import Synchronization

/// A server whose pushing of messages to many clients is measured: a Belfry node behind its bus, or a peer.
struct PushServer: Sendable {
    /// Whom a message goes to.
    enum Audience: Sendable {
        /// All sessions: they are subscribed to one topic.
        case broadcast
        /// One session, each with a user of its own: as many receivers as sessions.
        case unicast(Int)
    }

    let name: String
    let port: Int
    let greeting: SwarmGreeting
    let makePublisher: @Sendable () throws -> any MessagePublisher & Sendable
    /// What its processes have used so far.
    let usage: @Sendable () -> ServerUsage?
    /// The end of its log.
    let logTail: @Sendable () -> String
    let stop: @Sendable () async -> Void

    /// Bytes of every message's body.
    static let bodyBytes = 200
    /// Addresses differ from server to server: nodes on one Redis would hand out one another's messages.
    private static let count = Atomic<Int>(0)

    /// `belfry node` with `threads` event loops.
    static func belfry(
        _ context: ScenarioContext, _ servers: ScenarioServers, threads: Int, audience: Audience, ack: String = "auto",
        name: String? = nil
    ) async throws -> PushServer {
        guard let redisPort = servers.redisPort else {
            throw BenchmarkError("This scenario publishes to a private Redis: leave out the URL of Redis.")
        }
        var settings = servers.belfrySettings
        settings["BELFRY_THREADS"] = "\(threads)"
        let node = try await BelfryServer.start("node", context, settings: settings, name: name ?? "node-\(threads)")
        let place = count.add(1, ordering: .relaxed).newValue
        let (destination, receivers): (String, [Address]) =
            switch audience {
            case .broadcast: ("/topic/news\(place)", [.topic("news\(place)")])
            case .unicast(let count): ("/user/queue/msg", (0..<count).map { .user("p\(place)u\($0)") })
            }
        return PushServer(
            name: Measure.belfry, port: node.port,
            greeting: .belfry(user: { "p\(place)u\($0)" }, destination: destination, ack: ack),
            makePublisher: {
                try RedisPublisher(
                    port: redisPort, database: servers.postgresURL, receivers: receivers, bodyBytes: bodyBytes)
            },
            usage: { ServerUsage(of: [node.processIdentifier]) },
            logTail: { node.logTail }, stop: { await node.stop() })
    }

    /// nginx with nchan and `threads` workers.
    static func nchan(_ context: ScenarioContext, threads: Int, audience: Audience) async throws -> PushServer {
        let server = try await NchanServer.start(context, workers: threads, name: "nchan-\(threads)")
        let port = server.port
        let (path, channels): (@Sendable (Int) -> String, [String]) =
            switch audience {
            case .broadcast: ({ _ in "/sub/news" }, ["news"])
            case .unicast(let count): ({ "/sub/u\($0)" }, (0..<count).map { "u\($0)" })
            }
        return PushServer(
            name: "nchan", port: port, greeting: .webSocket(path: path),
            makePublisher: { try NchanPublisher(port: port, channels: channels, bodyBytes: bodyBytes, connections: 4) },
            usage: { server.usage }, logTail: { server.logTail }, stop: { await server.stop() })
    }

    /// The least server on NIO that writes the same to every socket.
    ///
    /// - Parameter program: the path of `belfry-bench`, of which it is a child process; nil for this process's own.
    static func bare(program: URL? = nil) async throws -> PushServer {
        let server = try await FanOutProcess.start(program: program)
        let port = server.port
        return PushServer(
            name: "bare NIO fan-out", port: port, greeting: .webSocket { _ in "/" },
            makePublisher: { try FanOutPublisher(port: port) }, usage: { server.usage }, logTail: { "" },
            stop: { await server.stop() })
    }
}
