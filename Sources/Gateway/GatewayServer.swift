import Authentication
import BelfryModel
import Bus
import Commands
import Foundation
import HTTPServer
import Logging
import NIOCore
import Node
import Outbox
import Postgres
import STOMP
import ServiceLifecycle
import WebSocket

/// A node: one port for HTTP and WebSocket, one worker an event loop. Puts the parts together.
///
/// On graceful shutdown it stops accepting, closes its sessions with `CloseReason.shuttingDown`, writes the delivery
/// marks that are left, and removes its rows from the database.
public final class GatewayServer: Service {
    /// Time at the end for marks to be written; what is left then is redelivered, not lost.
    private static let farewellTimeout = Duration.seconds(5)

    private let configuration: GatewayConfiguration
    private let eventLoopGroup: any EventLoopGroup
    private let tokensAreUnproven: Bool
    private let context: NodeContext
    private let routes: Routes
    private let logger: Logger
    private let listening: ListeningAddress

    /// - Parameters:
    ///   - installation: of the database, as it is at the start.
    ///   - postgres: for everything but heart-beats; its role is in `belfry_service`.
    ///   - heartBeats: a connection that nothing else uses.
    public init(
        configuration: GatewayConfiguration, installation: InstallationIdentity, eventLoopGroup: any EventLoopGroup,
        postgres: PostgresClient, heartBeats: PostgresClient, bus: any Bus, authenticator: any Authenticator,
        health: HealthChecks, metricsText: @escaping @Sendable () -> String, logger: Logger
    ) {
        self.configuration = configuration
        self.eventLoopGroup = eventLoopGroup
        self.logger = logger
        self.listening = ListeningAddress()
        self.tokensAreUnproven = authenticator.tokensAreUnproven
        self.context = NodeContext(
            store: NodeStore(client: postgres, heartBeats: heartBeats, nodeID: UUID().uuidString.lowercased()),
            bus: bus, authenticator: authenticator, commands: CommandTable(Self.commands(postgres)),
            limits: configuration.limits, version: configuration.version, installation: installation, logger: logger)
        self.routes = Routes(
            health: health, metricsText: metricsText, development: configuration.developmentRoutes,
            version: configuration.version)
    }

    /// What clients may ask for by a SEND to `/app/<name>`, each command with the connections that it needs.
    private static func commands(_ postgres: PostgresClient) -> [any AppCommand] { [] }

    /// Waits until the server listens.
    ///
    /// - Throws: the reason why it does not, such as a port in use.
    public func waitUntilListening() async throws -> SocketAddress { try await listening.wait() }

    /// Serves until graceful shutdown.
    public func run() async throws {
        let workers = Workers(eventLoopGroup.makeIterator(), context: context)
        try await workers.start()
        do {
            try await serve(workers)
        } catch {
            listening.fail(error)
            await farewell(workers)
            throw error
        }
        await farewell(workers)
    }

    private func serve(_ workers: Workers) async throws {
        let listening = listening
        let listener = HTTPListener(
            host: configuration.host, port: configuration.port, eventLoopGroup: eventLoopGroup,
            initialize: connectionSetup(workers).initialize)
        let registration = NodeRegistration(
            context: context, listen: "\(configuration.host):\(configuration.port)", workers: workers)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await listener.run { listening.succeed($0) } }
            group.addTask {
                await registration.run()
                // Ends only when cancelled: after the listener.
                throw CancellationError()
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// What becomes of a connection: plain HTTP, or a session over one of the transports.
    private func connectionSetup(_ workers: Workers) -> ConnectionSetup {
        let limits = configuration.limits
        let rules = RequestRules(
            policy: UpgradePolicy(
                allowedOrigins: configuration.allowedOrigins, tokensAreUnproven: tokensAreUnproven,
                isOnLoopback: Loopback.contains(configuration.host)))
        let http = PlainHTTP(router: routes.router(), rules: rules, limits: limits, logger: logger)
        return ConnectionSetup(
            rules: rules, eventLoops: eventLoopGroup.makeIterator(),
            startSession: { channel, handshake in
                var connection = ClientConnection(transport: "websocket")
                connection.version = handshake.subprotocol.flatMap(ProtocolVersion.init(subprotocol:))
                connection.address = channel.remoteAddress?.ipAddress
                connection.fields = handshake.head.headers.map { ($0.name, $0.value) }
                try channel.pipeline.syncOperations.addHandler(
                    WebSocketHandler(
                        worker: try workers.worker(of: channel), connection: connection, limits: limits))
            },
            servePlainly: { try http.serve($0, turns: try workers.worker(of: $0).turns) })
    }

    private func farewell(_ workers: Workers) async {
        let (context, logger) = (context, logger)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                await workers.stop()
                do throws(PostgresError) {
                    try await context.leave()
                } catch {
                    logger.warning("The node's rows could not be removed", metadata: ["error": "\(error)"])
                }
            }
            group.addTask { try? await Task.sleep(for: Self.farewellTimeout) }
            await group.next()
            group.cancelAll()
        }
    }
}
