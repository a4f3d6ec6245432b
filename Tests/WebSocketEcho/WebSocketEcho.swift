import BelfryModel
import Foundation
import HTTPServer
import Listening
import Logging
import NIOCore
import NIOPosix
import WebSocket

/// A node's WebSockets without its sessions: what accepts connections, answers handshakes, reads, inflates, compresses
/// and writes is a node's own, and each message at `/echo` is sent back. For suites that others wrote, such as
/// Autobahn's.
///
/// `websocket-echo [port]` prints the port that it listens on at 127.0.0.1, and serves until it is ended.
@main
struct WebSocketEcho {
    private static let messageBytesMax = 16 * 1024 * 1024

    static func main() async throws {
        let port = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 0
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        var policy = UpgradePolicy(allowedOrigins: [])
        policy.endpoints = ["/echo": .stomp]
        policy.compresses = true
        var limits = Limits()
        limits.webSocketMessageBytesMax = messageBytesMax
        let setup = setup(RequestRules(policy: policy), limits, group)
        let gate = ConnectionGate(limits: limits, logger: Logger(label: "websocket-echo"))
        let listener = Listener(
            .http, Listener.Configuration(host: "127.0.0.1", port: port), gate: gate, limits: limits,
            eventLoopGroup: group, refuse: setup.refuse, initialize: setup.initialize)
        // A pipe would keep what `print` writes.
        try await listener.run { try? FileHandle.standardOutput.write(contentsOf: Data("\($0.port ?? 0)\n".utf8)) }
    }

    private static func setup(_ rules: RequestRules, _ limits: Limits, _ group: any EventLoopGroup) -> ConnectionSetup {
        let compressions = WebSocketCompressions(
            WebSocketCompression.Options(messageBytesMin: 1), eventLoops: group.makeIterator())
        return ConnectionSetup(
            rules: rules, limits: limits, eventLoops: group.makeIterator(),
            startSession: { channel, handshake in
                let compression = compressions.agreed(handshake.compression, on: channel.eventLoop)
                try channel.pipeline.syncOperations.addHandler(
                    WebSocketHandler(limits: limits, compression: compression) { EchoReceiver($0) })
            },
            servePlainly: { channel, _ in channel.close(promise: nil) })
    }
}
