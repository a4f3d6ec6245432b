import BelfryModel
import Bus
import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import Outbox
import Postgres
import ServiceLifecycle

/// A node: one port for HTTP and WebSocket, one shard an event loop.
///
/// On graceful shutdown it stops accepting, closes its sessions with `CloseReason.shuttingDown`, writes the delivery marks
/// that are left, and removes its rows from the database.
public final class GatewayServer: Service {
    /// Time at the end for marks to be written; what is left then is redelivered, not lost.
    private static let farewellTimeout = Duration.seconds(5)

    private let configuration: GatewayConfiguration
    private let eventLoopGroup: any EventLoopGroup
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
        self.context = NodeContext(
            store: NodeStore(client: postgres, heartBeats: heartBeats, nodeID: UUID().uuidString.lowercased()),
            bus: bus, authenticator: authenticator, limits: configuration.limits, version: configuration.version,
            logger: logger, occupancy: Occupancy(sessionsMax: configuration.limits.sessionsMax),
            installation: installation.id, incarnation: installation.incarnation)
        self.routes = Routes(
            health: health, metricsText: metricsText, development: configuration.developmentRoutes,
            version: configuration.version)
    }

    /// Where the server listens; `nil` before it does.
    public var boundAddress: SocketAddress? { listening.address }

    /// Waits until the server listens.
    ///
    /// - Throws: the reason why it does not, such as a port in use.
    public func waitUntilListening() async throws -> SocketAddress { try await listening.wait() }

    /// Serves until graceful shutdown.
    public func run() async throws {
        let shards = Dictionary(
            uniqueKeysWithValues: eventLoopGroup.makeIterator().map { loop in
                (ObjectIdentifier(loop), Shard(eventLoop: loop, context: context))
            })
        for shard in shards.values { try await shard.eventLoop.submit { shard.start() }.get() }
        do {
            try await serve(shards)
        } catch {
            listening.fail(error)
            await farewell(Array(shards.values))
            throw error
        }
        await farewell(Array(shards.values))
    }

    private func serve(_ shards: [ObjectIdentifier: Shard]) async throws {
        let (listening, configuration, logger) = (listening, configuration, logger)
        let rules = RequestRules(
            policy: UpgradePolicy(
                allowedOrigins: configuration.allowedOrigins,
                tokensAreUnproven: context.authenticator.tokensAreUnproven,
                isOnLoopback: Loopback.contains(configuration.host)))
        let http = PlainHTTP(router: routes.router(), rules: rules, limits: configuration.limits, logger: logger)
        @Sendable func shard(of channel: any Channel) throws -> Shard {
            guard let shard = shards[ObjectIdentifier(channel.eventLoop)] else {
                throw ChannelError.inappropriateOperationForState
            }
            return shard
        }
        let gate = FirstRequestHandler.Gate(
            rules: rules,
            startSession: { channel in
                try channel.pipeline.syncOperations.addHandler(WebSocketHandler(shard: try shard(of: channel)))
            },
            servePlainly: { try http.serve($0, turns: try shard(of: $0).turns) })
        let listener = GatewayListener(
            host: configuration.host, port: configuration.port, eventLoopGroup: eventLoopGroup,
            attend: { try gate.attend($0, watch: try shard(of: $0).firstRequests) })
        let heart = NodeHeart(
            store: context.store, occupancy: context.occupancy, listen: "\(configuration.host):\(configuration.port)",
            lease: context.lease, logger: logger,
            forgotten: { for shard in shards.values { shard.eventLoop.execute { shard.forgotten() } } },
            answered: { answer in
                for shard in shards.values {
                    shard.eventLoop.execute {
                        shard.beatAnswered(incarnation: answer.incarnation, term: answer.term)
                    }
                }
            })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await listener.run { listening.succeed($0) } }
            group.addTask {
                await heart.run()
                // Ends only when cancelled: after the listener.
                throw CancellationError()
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func farewell(_ shards: [Shard]) async {
        let (store, logger) = (context.store, logger)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                // All at once: each has its own limit of time.
                let stopped = shards.map { shard in shard.eventLoop.flatSubmit { shard.stop() } }
                for future in stopped { try? await future.get() }
                do throws(PostgresError) {
                    try await store.leave()
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

/// Where the server listens, for whoever waits to know.
private final class ListeningAddress: Sendable {
    private enum State {
        case waiting([CheckedContinuation<SocketAddress, any Error>])
        case listening(SocketAddress)
        case failed(any Error)
    }

    private let state = NIOLockedValueBox(State.waiting([]))

    var address: SocketAddress? {
        state.withLockedValue { if case .listening(let address) = $0 { address } else { nil } }
    }

    func wait() async throws -> SocketAddress {
        try await withCheckedThrowingContinuation { continuation in
            state.withLockedValue { state in
                switch state {
                case .waiting(let waiting): state = .waiting(waiting + [continuation])
                case .listening(let address): continuation.resume(returning: address)
                case .failed(let error): continuation.resume(throwing: error)
                }
            }
        }
    }

    func succeed(_ address: SocketAddress) {
        finish(.listening(address)) { $0.resume(returning: address) }
    }

    func fail(_ error: any Error) {
        finish(.failed(error)) { $0.resume(throwing: error) }
    }

    private func finish(_ end: State, _ resume: (CheckedContinuation<SocketAddress, any Error>) -> Void) {
        let waiting: [CheckedContinuation<SocketAddress, any Error>] = state.withLockedValue { state in
            guard case .waiting(let waiting) = state else { return [] }
            state = end
            return waiting
        }
        waiting.forEach(resume)
    }
}
