import Foundation
import NIOPosix
import PrivateServers

/// What the ways to a node cost it: the same messages over each, beside a plain WebSocket.
struct TransportsScenario: Scenario {
    let name = "transports"
    let summary = "one topic, 500 sessions, over WebSocket, TLS, SockJS and TCP: the node's CPU, latency, accepting"

    private static let sessions = 500
    /// Messages a second, each to every session.
    private static let rate = 40.0
    private static let seconds = 3.0

    /// A node, and the place of its clients by transport.
    private struct Node: Sendable {
        let server: BelfryServer
        let place: TransportSwarm.Place
        let publisher: RedisPublisher
    }

    func run(_ context: ScenarioContext) async throws -> ScenarioResult {
        try await Teardown.run { teardown in
            context.progress("transports: starting PostgreSQL, Redis, and a node for each")
            let servers = try await ScenarioServers.start(context)
            teardown.add { await servers.stop() }
            let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
            teardown.add { try? await group.shutdownGracefully() }
            var contenders: [(name: String, run: (Int) async throws -> [String: Double])] = []
            for (number, transport) in ClientTransport.allCases.enumerated() {
                let node = try await Self.start(context, servers, transport, number)
                teardown.add { await node.server.stop() }
                contenders.append((transport.rawValue, { try await Self.round($0, node, group) }))
            }
            return Self.result(try await context.interleave("transports", contenders))
        }
    }

    private static func start(
        _ context: ScenarioContext, _ servers: ScenarioServers, _ transport: ClientTransport, _ number: Int
    ) async throws -> Node {
        guard let redisPort = servers.redisPort else {
            throw BenchmarkError("This scenario publishes to a private Redis: leave out the URL of Redis.")
        }
        let stompPort = try PrivateProgram.freePort()
        var settings = servers.belfrySettings.merging([
            "BELFRY_THREADS": "1", "BELFRY_STOMP_LISTEN": "127.0.0.1:\(stompPort)",
            "BELFRY_LIMITS_CONNECTIONS_PER_ADDRESS_PER_SECOND_MAX": "100000",
        ]) { $1 }
        let certificate = transport.isEncrypted ? try await Self.certificate(context) : nil
        if let certificate {
            settings["BELFRY_TLS_CERTIFICATES"] = certificate.file
            settings["BELFRY_TLS_KEY"] = certificate.key
        }
        let server = try await BelfryServer.start(
            "node", context, settings: settings, name: "node-\(number)", isEncrypted: transport.isEncrypted)
        let topic = "transport\(number)"
        return Node(
            server: server,
            place: TransportSwarm.Place(
                transport: transport, port: transport == .stomp ? stompPort : server.port,
                certificate: certificate?.file, user: "n\(number)u", destination: "/topic/\(topic)"),
            publisher: try RedisPublisher(
                port: redisPort, database: servers.postgresURL, receivers: [.topic(topic)],
                bodyBytes: PushServer.bodyBytes))
    }

    /// A certificate that vouches for itself.
    private static func certificate(_ context: ScenarioContext) async throws -> (file: String, key: String) {
        let folder = context.folder.appendingPathComponent("certificate")
        let (file, key) = ("\(folder.path)/tls.pem", "\(folder.path)/tls.key")
        let made = try await ChildProgram.run(
            [
                "/usr/bin/openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1",
                "-keyout", key, "-out", file,
            ], in: folder)
        guard made.status == 0 else { throw BenchmarkError("openssl made no certificate:\n\(made.output)") }
        return (file, key)
    }

    /// Connects the clients, sends at a fixed rate, and counts every delivery.
    private static func round(
        _ round: Int, _ node: Node, _ group: MultiThreadedEventLoopGroup
    ) async throws -> [String: Double] {
        let swarm = try await TransportSwarm.start(
            node.place, sessions: sessions, firstSession: round * sessions, on: group)
        do {
            let load = PacedLoad(
                rate: rate, seconds: seconds, receivers: 0..<1, bodyBytes: PushServer.bodyBytes)
            // The first messages of a session find its memory cold.
            var published = 0
            for isMeasured in [false, true] {
                let before = ServerUsage(of: [node.server.processIdentifier])
                let (first, sent) = (round * 10_000 + published, published)
                let outcome = try await onOwnThread { try load.publish(node.publisher, firstNumber: first) }
                published += outcome.published
                try await swarm.wait(forReceived: published * sessions)
                let latencies = LatencySummary(swarm.takeSamples())
                guard isMeasured else { continue }
                guard let before, let after = ServerUsage(of: [node.server.processIdentifier]) else {
                    throw LoadError("The node has ended: \(node.server.logTail)")
                }
                let cpu = (after.cpuSeconds - before.cpuSeconds) / Double((published - sent) * sessions)
                await swarm.stop()
                return [
                    "cpu": cpu * 1e6, "p50": latencies.p50, "p99": latencies.p99, "accept": swarm.secondsToReady,
                ]
            }
            return [:]
        } catch {
            await swarm.stop()
            throw error
        }
    }

    private static func result(_ values: [String: [String: [Double]]]) -> ScenarioResult {
        let plain = ClientTransport.webSocket
        let kinds = [
            (title: "CPU a delivery", key: "cpu", unit: "µs"), (title: "p50", key: "p50", unit: "µs"),
            (title: "p99", key: "p99", unit: "µs"), (title: "accepting \(sessions)", key: "accept", unit: "s"),
        ]
        let measures = ClientTransport.allCases.filter { $0 != plain }.flatMap { transport in
            kinds.map { kind in
                Measure(
                    "\(kind.title), \(transport.rawValue)", unit: kind.unit,
                    [
                        Contender(Measure.belfry, values[transport.rawValue]?[kind.key] ?? []),
                        Contender(plain.rawValue, values[plain.rawValue]?[kind.key] ?? []),
                    ])
            }
        }
        return ScenarioResult(
            "transports", measures,
            notes: [
                "\(Int(rate)) messages a second of \(PushServer.bodyBytes) bytes to \(sessions) sessions each "
                    + "(\(Int(rate) * sessions) deliveries a second), published straight to Redis; ack auto; one event "
                    + "loop a node. Every delivery was counted.",
                "Beside each stands Belfry's own plain WebSocket with the same clients, which are on NIO.",
                "A SockJS session sends by requests on connections of their own, so that it opens three.",
            ])
    }
}
