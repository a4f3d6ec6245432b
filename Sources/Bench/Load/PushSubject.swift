import BelfryModel
import Floors
import Synchronization

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
    /// Of the process that does the work, or of its parent.
    let processIdentifier: Int32
    let greeting: SwarmGreeting
    let makeFeed: @Sendable () throws -> any MessageFeed & Sendable
    /// What its processes have used so far.
    let usage: @Sendable () -> ServerUsage?
    /// The end of its log.
    let logTail: @Sendable () -> String
    let stop: @Sendable () async -> Void

    /// Bytes of every message's body.
    static let bodyBytes = 200
    /// Addresses differ from subject to subject: nodes on one Redis would hand out one another's messages.
    private static let count = Atomic<Int>(0)

    /// `belfry node` with `threads` event loops.
    static func belfry(
        _ bench: Bench, _ servers: BenchServers, threads: Int, audience: Audience, ack: String = "auto",
        name: String? = nil
    ) async throws -> PushSubject {
        guard let redisPort = servers.redisPort else {
            throw BenchError("This scenario publishes to a private Redis: leave out the URL of Redis.")
        }
        var settings = servers.belfrySettings
        settings["BELFRY_THREADS"] = "\(threads)"
        let node = try await BelfryServer.start("node", bench, settings: settings, name: name ?? "node-\(threads)")
        let place = count.add(1, ordering: .relaxed).newValue
        let (destination, receivers): (String, [Address]) =
            switch audience {
            case .everybody: ("/topic/news\(place)", [.topic("news\(place)")])
            case .oneEach(let count): ("/user/queue/msg", (0..<count).map { .user("p\(place)u\($0)") })
            }
        return PushSubject(
            name: Measure.belfry, port: node.port, processIdentifier: node.processIdentifier,
            greeting: .belfry(user: { "p\(place)u\($0)" }, destination: destination, ack: ack),
            makeFeed: {
                try RedisFeed(
                    port: redisPort, database: servers.postgresURL, receivers: receivers, bodyBytes: bodyBytes)
            },
            usage: { ServerUsage(of: [node.processIdentifier]) },
            logTail: { node.logTail }, stop: { await node.stop() })
    }

    /// nginx with nchan and `threads` workers.
    static func nchan(_ bench: Bench, threads: Int, audience: Audience) async throws -> PushSubject {
        let server = try await NchanServer.start(bench, workers: threads, name: "nchan-\(threads)")
        let port = server.port
        let (path, channels): (@Sendable (Int) -> String, [String]) =
            switch audience {
            case .everybody: ({ _ in "/sub/news" }, ["news"])
            case .oneEach(let count): ({ "/sub/u\($0)" }, (0..<count).map { "u\($0)" })
            }
        return PushSubject(
            name: "nchan", port: port, processIdentifier: server.processIdentifier, greeting: .webSocket(path: path),
            makeFeed: { try NchanFeed(port: port, channels: channels, bodyBytes: bodyBytes, connections: 4) },
            usage: { server.usage }, logTail: { server.logTail }, stop: { await server.stop() })
    }

    /// The least server on NIO that writes the same to every socket, in this process.
    static func bare() async throws -> PushSubject {
        let server = try await BareFanOut.start()
        let port = server.port
        return PushSubject(
            name: "bare NIO fan-out", port: port, processIdentifier: 0, greeting: .webSocket { _ in "/" },
            makeFeed: { try BareFeed(port: port) }, usage: { nil }, logTail: { "" }, stop: { await server.stop() })
    }
}
