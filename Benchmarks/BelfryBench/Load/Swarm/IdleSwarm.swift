/// What a child process holds idle: connections that only exchange heart-beats. Its arguments are JSON, so that the
/// command line of the child is this value and nothing else.
struct IdleSwarm: Codable, Sendable {
    /// Whom it connects to.
    enum Server: String, Codable, Sendable {
        /// A Belfry with the development authenticator: each connection is a user of its own, subscribed to its queue.
        case belfry
        /// nchan: each connection subscribes to a channel of its own at `/sub/u<number>`.
        case nchan
    }

    var server: Server
    var port: Int
    var count: Int
    /// The number of the first connection.
    var firstNumber = 0
    /// The period of the heart-beats of both sides; 0 for none.
    var heartBeatMilliseconds = 0
    /// Whether the connections come from eight addresses.
    var spreadsSources = false

    /// `count` idle connections to 127.0.0.1:`port`.
    init(_ server: Server, port: Int, count: Int) {
        self.server = server
        self.port = port
        self.count = count
    }

    /// The swarm that it is.
    var configuration: SwarmConfiguration {
        let greeting: SwarmGreeting =
            switch server {
            case .belfry: .belfry(user: { "u\($0)" }, heartBeatMilliseconds: heartBeatMilliseconds)
            case .nchan: .webSocket { "/sub/u\($0)" }
            }
        var swarm = SwarmConfiguration(port: port, count: count, greeting: greeting)
        swarm.firstNumber = firstNumber
        swarm.heartBeatMilliseconds = server == .belfry ? heartBeatMilliseconds : 0
        swarm.spreadsSources = spreadsSources
        return swarm
    }
}
