import Authentication
import BelfryModel
import Bus
import Commands
import Foundation
import HTTPAPI
import HTTPServer
import Listening
import Logging
import MessageTrace
import NIOConcurrencyHelpers
import NIOCore
import Node
import Outbox
import Postgres
import ServiceLifecycle
import TCPTransport
import WebSocket

/// A node: one port for HTTP and WebSocket, perhaps one for STOMP over TCP, one worker an event loop. Puts the parts
/// together.
///
/// On graceful shutdown it says that it is not ready, and serves on for a while; then it stops accepting, closes its
/// sessions by and by with `CloseReason.shuttingDown`, writes the delivery marks that are left, and removes its rows
/// from the database.
public final class GatewayServer: Service {
    /// Time at the end for marks to be written; what is left then is redelivered, not lost.
    private static let farewellTimeout = Duration.seconds(5)
    /// Time after the spread for clients of SockJS to ask for their sessions' ends.
    private static let lastRequestTimeout = Duration.seconds(4)

    private let configuration: GatewayConfiguration
    private let eventLoopGroup: any EventLoopGroup
    private let tokensAreUnproven: Bool
    private let context: NodeContext
    private let routes: Routes
    private let api: API
    private let logger: Logger
    private let listening: ListeningState
    private let isStopping: NIOLockedValueBox<Bool>

    /// - Parameters:
    ///   - installation: of the database, as it is at the start.
    ///   - postgres: for everything but heart-beats and requests; its role is in `belfry_service`.
    ///   - requests: for what clients ask for, by STOMP or HTTP, so that a flood of it holds up no delivery; of the
    ///     same role.
    ///   - heartBeats: a connection that nothing else uses.
    ///   - sendRefusals: where messages are noted that the schema refuses.
    ///   - insight: what the console tells beside the tables.
    ///   - trace: where it is noted what becomes of messages.
    public init(
        configuration: GatewayConfiguration, installation: InstallationIdentity, eventLoopGroup: any EventLoopGroup,
        postgres: PostgresClient, requests: PostgresClient, heartBeats: PostgresClient, bus: any Bus,
        authenticator: any Authenticator,
        health: HealthChecks, metricsText: @escaping @Sendable () -> String,
        sendRefusals: SendRefusals = SendRefusals(), insight: OperatorViews.Insight = .none, logger: Logger,
        trace: TraceRecorder = .off
    ) {
        self.configuration = configuration
        self.eventLoopGroup = eventLoopGroup
        self.logger = logger
        self.listening = ListeningState()
        let isStopping = NIOLockedValueBox(false)
        self.isStopping = isStopping
        self.tokensAreUnproven = authenticator.tokensAreUnproven
        let inbox = Inbox(store: InboxStore(executor: requests))
        let pushStore = PushStore(executor: requests)
        let sessions = OperateSessions(store: SessionStore(executor: requests))
        let replayJobs = OperateReplayJobs(store: ReplayJobStore(executor: requests, isPatient: false))
        let audit = ReadAudit(store: AuditStore(executor: requests))
        let views = OperatorViews(
            executor: requests, sessions: sessions, jobs: replayJobs, audit: audit, insight: insight)
        self.context = NodeContext(
            store: NodeStore(client: postgres, heartBeats: heartBeats, nodeID: UUID().uuidString.lowercased()),
            bus: bus, authenticator: authenticator,
            commands: CommandTable(Self.commands(configuration, inbox) + [OperatorCommand(views: views)]),
            limits: configuration.limits, version: configuration.version, installation: installation, logger: logger,
            sendRefusals: sendRefusals, trace: trace, fingerprint: { TokenFingerprint($0) })
        var health = health
        health.isStopping = { isStopping.withLockedValue { $0 } }
        self.routes = Routes(
            health: health, metricsText: metricsText, development: configuration.developmentRoutes,
            version: configuration.version)
        self.api = API(
            services: API.Services(
                inbox: inbox, push: PushMessages(store: pushStore, refusals: sendRefusals),
                cancel: CancelMessage(store: pushStore), sessions: sessions, replayJobs: replayJobs, audit: audit,
                views: views, acts: OperatorActs(executor: requests)),
            authenticator: authenticator, isRefused: { [tokens = context.refusedTokens] in tokens.contains($0) },
            limits: configuration.limits,
            servesEarlierPages: configuration.servesEarlierPages, logger: logger)
    }

    /// What clients may ask for by a SEND to `/app/<name>`.
    private static func commands(_ configuration: GatewayConfiguration, _ inbox: Inbox) -> [any AppCommand] {
        InboxCommands.all(inbox)
            + (configuration.developmentRoutes.map { [EarlierPages.Broadcast(notify: $0.notify)] } ?? [])
    }

    /// Waits until the server listens.
    ///
    /// - Throws: the reason why it does not, such as `ListenError`.
    public func waitUntilListening() async throws -> ListeningAddresses { try await listening.wait() }

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
        let (isStopping, limits, logger) = (isStopping, configuration.limits, logger)
        let pause = limits.drainPause
        let http = configuration.http
        let registration = NodeRegistration(
            context: context, listen: "\(http.host):\(http.port)", workers: workers)
        let listeners = listeners(workers)
        let ports = BoundPorts(count: listeners.count, listening)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (port, listener) in listeners {
                group.addTask {
                    try await listener.run(
                        pause: {
                            isStopping.withLockedValue { $0 = true }
                            if port == .http {
                                logger.notice("The node is stopping", metadata: ["serves on for": "\(pause)"])
                            }
                            try? await Task.sleep(for: pause)
                            await workers.drain(within: limits.drainSpread + Self.lastRequestTimeout)
                        }, onListening: { ports.bound(port, $0) })
                }
            }
            group.addTask {
                await registration.run()
                // Ends only when cancelled: after the listeners.
                throw CancellationError()
            }
            defer { group.cancelAll() }
            for _ in listeners { try await group.next() }
        }
    }

    private func listeners(_ workers: Workers) -> [(ListenerPort, Listener)] {
        let limits = configuration.limits
        let gate = ConnectionGate(limits: limits, trusted: configuration.trustedProxies, logger: logger)
        func overHTTP(_ port: ListenerPort, _ place: Listener.Configuration, servesConsole: Bool) -> Listener {
            let setup = connectionSetup(workers, at: place, servesConsole: servesConsole)
            return Listener(
                port, place, gate: gate, limits: limits, eventLoopGroup: eventLoopGroup, refuse: setup.refuse,
                initialize: setup.initialize)
        }
        var listeners: [(ListenerPort, Listener)] = []
        switch configuration.console {
        case .off: listeners.append((.http, overHTTP(.http, configuration.http, servesConsole: false)))
        case .atHTTP: listeners.append((.http, overHTTP(.http, configuration.http, servesConsole: true)))
        case .own(let place):
            listeners.append((.http, overHTTP(.http, configuration.http, servesConsole: false)))
            listeners.append((.console, overHTTP(.console, place, servesConsole: true)))
        }
        guard let stomp = configuration.stomp else { return listeners }
        let tcp = Listener(.stomp, stomp, gate: gate, limits: limits, eventLoopGroup: eventLoopGroup) {
            var connection = ClientConnection(transport: "tcp")
            connection.address = $1.address?.description
            try $0.pipeline.syncOperations.addHandler(
                TCPHandler(worker: try workers.worker(of: $0), connection: connection))
        }
        return listeners + [(.stomp, tcp)]
    }

    /// What becomes of a connection to a port for HTTP: plain HTTP, or a session over one of the transports.
    private func connectionSetup(
        _ workers: Workers, at place: Listener.Configuration, servesConsole: Bool
    ) -> ConnectionSetup {
        let limits = configuration.limits
        var policy = UpgradePolicy(
            allowedOrigins: configuration.allowedOrigins, tokensAreUnproven: tokensAreUnproven,
            isOnLoopback: Loopback.contains(place.host))
        policy.compresses = configuration.compression != nil
        let sockJS = SockJSEndpoint(configuration: configuration, workers: workers)
        policy.services = sockJS.map { [$0.mounted] } ?? []
        let rules = RequestRules(policy: policy, forwarding: configuration.forwarding)
        let compressions = WebSocketCompressions(configuration.compression, eventLoops: eventLoopGroup.makeIterator())
        let router = routes.router(servesConsole: servesConsole)
        api.add(to: router, servesConsole: servesConsole)
        let http = PlainHTTP(
            router: router, rules: rules, limits: limits, logger: logger,
            addHandlers: { try sockJS?.addHandler(to: $0, of: $1) })
        return ConnectionSetup(
            rules: rules, limits: limits, eventLoops: eventLoopGroup.makeIterator(),
            startSession: { channel, handshake in
                let compression = compressions.agreed(handshake.compression, on: channel.eventLoop)
                if case .mounted(_, let isRaw) = handshake.endpoint {
                    try sockJS?.start(channel, handshake, isRaw: isRaw, compression: compression)
                } else {
                    var connection = ClientConnection(transport: "websocket", handshake)
                    connection.isAtConsole = servesConsole
                    try channel.pipeline.syncOperations.addHandler(
                        WebSocketHandler(
                            worker: try workers.worker(of: channel), connection: connection, limits: limits,
                            compression: compression))
                }
            },
            servePlainly: { try http.serve($0, of: $1, turns: try workers.worker(of: $0).turns) })
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
