import Foundation
import Glibc

/// What a child process holds idle: connections that only exchange heart-beats. Its arguments are JSON, so that the
/// command line of the child is this value and nothing else.
public struct IdleSwarm: Codable, Sendable {
    /// Whom it connects to.
    public enum Server: String, Codable, Sendable {
        /// A Belfry with the development authenticator: each connection is a user of its own, subscribed to its queue.
        case belfry
        /// nchan: each connection subscribes to a channel of its own at `/sub/u<number>`.
        case nchan
    }

    public var server: Server
    public var port: Int
    public var count: Int
    /// The number of the first connection.
    public var firstNumber = 0
    /// The period of the heart-beats of both sides; 0 for none.
    public var heartBeatMilliseconds = 0
    /// Whether the connections come from eight addresses.
    public var spreadsSources = false

    /// `count` idle connections to 127.0.0.1:`port`.
    public init(_ server: Server, port: Int, count: Int) {
        self.server = server
        self.port = port
        self.count = count
    }

    /// The swarm that it is.
    public var configuration: SwarmConfiguration {
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

/// A process that holds an `IdleSwarm`: descriptors are limited per process, so a large swarm takes several.
public enum SwarmChild {
    /// Holds the swarm of `arguments` (one JSON text) until standard input ends. Prints `ready <seconds>` once all
    /// connections are ready, and `ended <heart-beats received>` at the end.
    ///
    /// - Returns: the exit status; a failure is a sentence on standard output.
    public static func main(_ arguments: [String]) async -> Int32 {
        do {
            guard let text = arguments.first else { throw LoadError("The swarm's description is missing.") }
            let idle = try JSONDecoder().decode(IdleSwarm.self, from: Data(text.utf8))
            let swarm = try await Swarm.start(idle.configuration)
            say("ready \(swarm.secondsToReady)")
            await waitForEnd()
            let beats = swarm.heartBeatsReceived
            try swarm.check()
            await swarm.stop()
            say("ended \(beats)")
            return 0
        } catch {
            say("failed \(error)")
            return 1
        }
    }

    /// `swift build`'s standard output may be a pipe, which is written at once only by write(2).
    private static func say(_ line: String) { FileHandle.standardOutput.write(Data((line + "\n").utf8)) }

    private static func waitForEnd() async {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var byte: UInt8 = 0
                while Glibc.read(STDIN_FILENO, &byte, 1) > 0 {}
                continuation.resume()
            }
        }
    }
}
