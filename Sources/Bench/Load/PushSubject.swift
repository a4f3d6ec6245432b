import BelfryModel

/// A server whose pushing of messages to many clients is measured: a Belfry node behind its bus, or a peer.
struct PushSubject: Sendable {
    /// Whom a message goes to.
    enum Audience: Sendable {
        /// All sessions are subscribed to one topic.
        case everybody
        /// Each session has a user of its own: as many receivers as sessions.
        case oneEach(Int)
    }

    let name: String
    let port: Int
    let greeting: SwarmGreeting
    let makeFeed: @Sendable () throws -> any MessageFeed & Sendable
    /// What its processes have used so far.
    let usage: @Sendable () -> ServerUsage?
    /// Others that work for it, say Redis.
    let logTail: @Sendable () -> String
    let stop: @Sendable () async -> Void

    /// Bytes of every message's body.
    static let bodyBytes = 200
    private static let topic = "news"

    /// `belfry node` with `threads` event loops.
    static func belfry(
        _ bench: Bench, _ servers: BenchServers, threads: Int, audience: Audience, ack: String = "auto"
    ) async throws -> PushSubject {
        guard let redisPort = servers.redisPort else {
            throw BenchError("This scenario publishes to a private Redis: leave out the URL of Redis.")
        }
        var settings = servers.belfrySettings
        settings["BELFRY_THREADS"] = "\(threads)"
        let node = try await BelfryServer.start("node", bench, settings: settings, name: "node-\(threads)")
        let (destination, receivers): (String, [Address]) =
            switch audience {
            case .everybody: ("/topic/\(topic)", [.topic(topic)])
            case .oneEach(let count): ("/user/queue/msg", (0..<count).map { .user("u\($0)") })
            }
        return PushSubject(
            name: Measure.belfry, port: node.port,
            greeting: .belfry(user: { "u\($0)" }, destination: destination, ack: ack),
            makeFeed: { try RedisFeed(port: redisPort, receivers: receivers, bodyBytes: bodyBytes) },
            usage: { ServerUsage(of: [node.processIdentifier]) },
            logTail: { node.logTail }, stop: { await node.stop() })
    }

    /// nginx with nchan and `threads` workers.
    static func nchan(_ bench: Bench, threads: Int, audience: Audience) async throws -> PushSubject {
        let server = try await NchanServer.start(bench, workers: threads, name: "nchan-\(threads)")
        let port = server.port
        let (path, channels): (@Sendable (Int) -> String, [String]) =
            switch audience {
            case .everybody: ({ _ in "/sub/\(topic)" }, [topic])
            case .oneEach(let count): ({ "/sub/u\($0)" }, (0..<count).map { "u\($0)" })
            }
        return PushSubject(
            name: "nchan", port: port, greeting: .webSocket(path: path),
            makeFeed: { try NchanFeed(port: port, channels: channels, bodyBytes: bodyBytes, connections: 4) },
            usage: { server.usage }, logTail: { server.logTail }, stop: { await server.stop() })
    }
}
