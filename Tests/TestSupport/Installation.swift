import Authentication
import BelfryModel
import Bus
import DatabaseSupport
import Foundation
import Gateway
import HTTPServer
import Logging
import MessageTrace
import NIOCore
import NIOPosix
import Outbox
import Postgres
import PrivateServers
import RedisBus
import Relay
import ServiceLifecycle

/// A whole Belfry in the test's process: a database of its own, a relay, and nodes on free ports of loopback.
public final class Installation: Sendable {
    /// How relay and nodes are joined.
    public enum BusKind: Sendable {
        case memory
        case redis(PrivateRedis)
        case lossy(LossyBus)
    }

    public let databaseURL: String
    public let application: Application
    public let relay: RunningService<RelayService>
    public let nodes: [RunningNode]
    public let memoryBus: MemoryBus?
    private let clients: [PostgresClient]
    private let buses: [any Bus]
    private let group: MultiThreadedEventLoopGroup

    /// Runs `body` with an installation, and takes it down afterwards.
    ///
    /// - Parameters:
    ///   - database: the URL of a migrated database, for the superuser; a new one when left out.
    ///   - serviceRole: as whom relay and nodes connect.
    ///   - trace: where it is noted what becomes of messages.
    ///   - configure: changes the nodes' configuration.
    public static func with<Result: Sendable>(
        bus kind: BusKind = .memory, nodes: Int = 1, limits: Limits = Limits(), postgres: PrivatePostgres? = nil,
        keyPrefix: String = "test\(UInt32.random(in: 0...UInt32.max)):",
        authenticator: any Authenticator = DevelopmentAuthenticator(), database: String? = nil,
        serviceRole: String = "postgres", trace: TraceRecorder = .off,
        configure: (inout GatewayConfiguration) -> Void = { _ in },
        _ body: (Installation) async throws -> Result
    ) async throws -> Result {
        let databaseURL =
            if let database {
                database
            } else if let postgres {
                try await TestServer.makeDatabase(on: postgres).url
            } else {
                try await TestServer.makeDatabase().url
            }
        let installation = try await Installation(
            kind, nodes: nodes, limits: limits, databaseURL: databaseURL, serviceRole: serviceRole,
            keyPrefix: keyPrefix, authenticator: authenticator, trace: trace, configure: configure)
        do {
            let result = try await body(installation)
            try await installation.stop()
            return result
        } catch {
            try? await installation.stop()
            throw error
        }
    }

    private init(
        _ kind: BusKind, nodes count: Int, limits: Limits, databaseURL: String, serviceRole: String, keyPrefix: String,
        authenticator: any Authenticator, trace: TraceRecorder, configure: (inout GatewayConfiguration) -> Void
    ) async throws {
        var limits = limits
        // No load balancer has to notice a test's end, unless the test is about that.
        if limits.drainPause == Limits().drainPause { limits.drainPause = .zero }
        self.databaseURL = databaseURL
        application = try await Application.connect(databaseURL)
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
        self.group = group
        let memory = MemoryBus()
        var memoryBus: MemoryBus?
        func bus() throws -> any Bus {
            switch kind {
            case .memory:
                memoryBus = memory
                return memory
            case .lossy(let bus):
                return bus
            case .redis(let redis):
                return try RedisBus(
                    configuration: RedisConfiguration(url: redis.url, keyPrefix: keyPrefix), eventLoopGroup: group,
                    logger: .quiet)
            }
        }
        let serviceURL = databaseURL.replacing("postgres@", with: "\(serviceRole)@", maxReplacements: 1)
        let configuration = try PostgresConfiguration(url: serviceURL, applicationName: "belfry")
        let identity = try await Migrator(configuration: configuration).requireCurrent()
        let relayClient = PostgresClient(configuration: configuration, size: 2)
        relayClient.start()
        var clients = [relayClient]
        var buses = [try bus()]
        relay = RunningService(
            RelayService(
                configuration: RelayConfiguration(
                    postgres: configuration, installation: identity.id, limits: limits, name: "test-relay"),
                client: relayClient, bus: buses[0], logger: .quiet, trace: trace))
        var gateway = GatewayConfiguration(
            http: .init(host: "127.0.0.1", port: 0), stomp: .init(host: "127.0.0.1", port: 0), limits: limits,
            version: "test")
        configure(&gateway)
        var nodes: [RunningNode] = []
        for _ in 0..<count {
            let client = PostgresClient(configuration: configuration, size: 3)
            client.start()
            let heartBeats = PostgresClient(configuration: configuration, size: 1)
            heartBeats.start()
            let requests = PostgresClient(configuration: configuration, size: 2)
            requests.start()
            clients += [client, requests, heartBeats]
            let nodeBus = try bus()
            buses.append(nodeBus)
            nodes.append(
                try await RunningNode(
                    GatewayServer(
                        configuration: gateway, installation: identity, eventLoopGroup: group, postgres: client,
                        requests: requests, heartBeats: heartBeats, bus: nodeBus, authenticator: authenticator,
                        health: HealthChecks(), metricsText: { "" },
                        logger: .quiet, trace: trace)))
        }
        self.nodes = nodes
        self.clients = clients
        self.buses = buses
        self.memoryBus = memoryBus
    }

    /// The port of the first node.
    public var port: Int { nodes[0].port }

    /// Connects as a user to the first node, or another.
    public func connect(_ user: String, node: Int = 0, heartBeat: String = "0,0") async throws -> STOMPClient {
        try await STOMPClient.connect(port: nodes[node].port, token: user, heartBeat: heartBeat)
    }

    private func stop() async throws {
        for node in nodes { await node.service.stop() }
        await relay.stop()
        for bus in buses { await bus.close() }
        for client in clients { await client.close() }
        await application.close()
        try await group.shutdownGracefully()
    }
}

/// A node and the port it got.
public struct RunningNode: Sendable {
    public let service: RunningService<GatewayServer>
    public let port: Int
    /// That of STOMP over TCP.
    public let stompPort: Int
    /// That of the operators' console, where it has one of its own.
    public let consolePort: Int

    init(_ server: GatewayServer) async throws {
        service = RunningService(server)
        let addresses = try await server.waitUntilListening()
        port = addresses.http.port ?? 0
        stompPort = addresses.stomp?.port ?? 0
        consolePort = addresses.console?.port ?? 0
    }
}

/// A service in a group of its own, which `stop` ends gracefully.
public struct RunningService<S: Service>: Sendable {
    public let service: S
    private let group: ServiceGroup
    private let task: Task<Void, any Error>

    public init(_ service: S) {
        self.service = service
        let group = ServiceGroup(services: [service], logger: .quiet)
        self.group = group
        self.task = Task { try await group.run() }
    }

    public func stop() async {
        await group.triggerGracefulShutdown()
        _ = await task.result
    }
}
