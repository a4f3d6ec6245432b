import Authentication
import Bus
import Commands
import Gateway
import HTTPServer
import Listening
import Logging
import MessageTrace
import NIOCore
import NIOPosix
import Outbox
import Postgres
import PrometheusMetrics
import RedisBus
import Relay
import ServiceLifecycle
import Webhooks

/// A relay, a node or both in one process, from its settings to its end.
///
/// The services start in the order of the list and end in the reverse one: the gateway stops accepting and closes its
/// sessions, then the relay finishes its page, then the bus and the database are let go.
struct BelfryProcess: Service, CustomStringConvertible {
    /// Time for the services to end by themselves, beside what a node takes to let its sessions go.
    private static let shutdownTimeout: Duration = .seconds(10)
    /// Time that they have to end once they are cancelled.
    private static let cancellationTimeout: Duration = .seconds(5)

    let configuration: BelfryConfiguration
    let roles: ProcessRoles
    let registry: PrometheusRegistry
    var developmentRoutes: DevelopmentRoutes?
    /// What was set, as JSON for `belfry.process`: without secrets.
    var settings = "[]"
    /// Called when the node listens.
    var onListening: (@Sendable (ListeningAddresses) -> Void)?
    let logger: Logger

    init(configuration: BelfryConfiguration, roles: ProcessRoles, registry: PrometheusRegistry) {
        self.configuration = configuration
        self.roles = roles
        self.registry = registry
        self.logger = Logger(label: "belfry")
    }

    /// Time from SIGTERM to the end at most, when something hangs: the watchdog's.
    static func endsWithin(_ configuration: BelfryConfiguration, _ roles: ProcessRoles) -> Duration {
        timeToEnd(configuration, roles) + cancellationTimeout
    }

    /// Time for the services to end by themselves; then they are cancelled.
    private static func timeToEnd(_ configuration: BelfryConfiguration, _ roles: ProcessRoles) -> Duration {
        guard roles.contains(.node) else { return Self.shutdownTimeout }
        return configuration.limits.drainPause + configuration.limits.drainSpread + Self.shutdownTimeout
    }

    /// What the service group's log calls it.
    var description: String { roles.name }

    /// Serves until graceful shutdown.
    ///
    /// - Throws: why it can't serve: `ConfigurationError`, `JWTKeysError`, `TLSError`, `MigratorError`,
    ///   `PostgresError`, `BusError`, `IOError`; `CancellationError` when the shutdown comes before it serves;
    /// `SecondSignal`.
    func run() async throws {
        let database = try DatabaseConfiguration(configuration, applicationName: roles.applicationName)
        try Self.checkBus(configuration, roles)
        try Self.checkEscalation(configuration, roles)
        let authentication =
            roles.contains(.node) ? try await AuthenticatorChoice.make(configuration, logger: logger) : nil
        _ = try redisConfiguration(nil)
        let ports = roles.contains(.node) ? try NodePorts(configuration, logger: Logger(label: "belfry.tls")) : nil
        let installation = try await SchemaCheck.wait(for: database.pooled, logger: logger)

        let threads = configuration.threads ?? System.coreCount
        let eventLoopGroup = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        do {
            try await serve(database, installation, authentication, ports, eventLoopGroup)
        } catch {
            try? await eventLoopGroup.shutdownGracefully()
            throw error
        }
        try await eventLoopGroup.shutdownGracefully()
        logger.notice("\(roles.name) has ended.")
    }

    /// - Throws: `ConfigurationError` when relay and nodes would have nothing between them.
    static func checkBus(_ configuration: BelfryConfiguration, _ roles: ProcessRoles) throws(ConfigurationError) {
        guard configuration.redisURL == nil, roles != [.relay, .node] else { return }
        throw ConfigurationError(
            .missing,
            "\(roles.name) needs Redis between relay and nodes: set redis.url (BELFRY_REDIS_URL), or run both in "
                + "one process with belfry serve.")
    }

    /// - Throws: `ConfigurationError` when webhooks could be signed or sent by none of the settings that are there.
    static func checkEscalation(_ configuration: BelfryConfiguration, _ roles: ProcessRoles) throws {
        guard roles.contains(.relay) else { return }
        if let problem = SecretSource.problem(of: configuration.escalation) {
            throw ConfigurationError(.invalidValue, problem)
        }
        do {
            _ = try WebhookURLRules(allowed: configuration.escalation.allowedURLs)
        } catch {
            throw ConfigurationError(.invalidValue, "\(error)")
        }
    }

    /// Where Redis is, with the channels of this installation; `nil` when there is none. A faulty setting is told
    /// before the database is asked.
    private func redisConfiguration(_ installation: InstallationIdentity?) throws(BusError) -> RedisConfiguration? {
        guard let url = configuration.redisURL else { return nil }
        return try RedisConfiguration(url: url, keyPrefix: configuration.redisKeyPrefix, installation: installation?.id)
    }

    private func serve(
        _ database: DatabaseConfiguration, _ installation: InstallationIdentity,
        _ authentication: (authenticator: any Authenticator, service: AuthenticationService)?,
        _ ports: NodePorts?, _ eventLoopGroup: any EventLoopGroup
    ) async throws {
        let heartBeats = PostgresClient(configuration: database.pooled, size: 1)
        let requests = PostgresClient(configuration: database.requests, size: configuration.postgresRequestPoolSize)
        let client = PostgresClient(configuration: database.pooled, size: configuration.postgresPoolSize)
        let metrics = ConnectionMetrics()
        client.onStateChange = { [logger] isUp in
            metrics.postgresChanged(isUp)
            if isUp { logger.info("PostgreSQL is connected.") } else { logger.warning("PostgreSQL is away.") }
        }
        client.start()
        let redisBus = try redisConfiguration(installation).map { redis in
            try RedisBus(
                configuration: redis, eventLoopGroup: eventLoopGroup, logger: Logger(label: "belfry.redis"),
                onStateChange: { metrics.redisChanged($0) })
        }
        let bus: any Bus = redisBus ?? MemoryBus()
        let name = ProcessName.unique()
        var trace = try TraceService(
            configuration, database.traces, process: name, mayLead: roles.contains(.relay))
        let relay =
            roles.contains(.relay) ? makeRelay(database, installation, client, bus, name, trace.recorder) : nil
        if let status = relay?.status { trace.isLeading = { status.snapshot.isLeader } }
        let health = HealthWiring.checks(client: client, redis: redisBus, relay: relay?.status)
        let sendRefusals = SendRefusals()
        var gateway: GatewayServer?
        if let authentication, let ports {
            heartBeats.start()
            requests.start()
            gateway = makeGateway(
                ports, eventLoopGroup, installation, (client, requests, heartBeats), bus,
                authentication.authenticator, health, sendRefusals, trace.recorder)
        }

        var services: [any Service] = [
            PostgresClientService(client: client), PostgresClientService(client: requests),
            PostgresClientService(client: heartBeats), BusService(bus: bus), trace,
        ]
        services.append(
            ProcessReporter(
                store: ProcessStore(executor: roles.contains(.node) ? requests : client), roles: roles,
                registry: registry, health: health, refusals: sendRefusals,
                listen: (roles.contains(.node) ? configuration.listen : configuration.relayListen)?.description,
                settings: settings,
                serves: { [gateway] in _ = try await gateway?.waitUntilListening() },
                logger: Logger(label: "belfry.process")))
        if let relay { services.append(relay) }
        if let authentication { services.append(authentication.service) }
        if let tls = ports?.tls { services.append(tls) }
        if let gateway {
            services.append(gateway)
        } else if let listen = configuration.relayListen {
            services.append(makeOperationsServer(listen, eventLoopGroup, health))
        }
        // The last in the list is the first to hear of the shutdown.
        services.append(ShutdownWatchdog(limit: Self.endsWithin(configuration, roles), logger: logger))
        let announcement = gateway.map { gateway in
            Task { if let addresses = try? await gateway.waitUntilListening() { announce(addresses) } }
        }
        defer { announcement?.cancel() }
        logger.notice("\(roles.name) \(BelfryVersion.current) starts.")
        let group = ServiceGroup(configuration: groupConfiguration(services))
        try await SecondSignal.ends { try await group.run() }
    }

    private func groupConfiguration(_ services: [any Service]) -> ServiceGroupConfiguration {
        var group = ServiceGroupConfiguration(
            services: services.map { .init(service: $0) }, logger: Logger(label: "belfry.lifecycle"))
        group.maximumGracefulShutdownDuration = Self.timeToEnd(configuration, roles)
        return group
    }

    private func makeRelay(
        _ database: DatabaseConfiguration, _ installation: InstallationIdentity, _ client: PostgresClient,
        _ bus: any Bus, _ name: String, _ trace: TraceRecorder
    ) -> RelayService {
        RelayService(
            configuration: RelayConfiguration(
                postgres: database.pooled, direct: database.direct, installation: installation.id,
                limits: configuration.limits, retention: configuration.retention,
                escalation: configuration.escalation, name: name),
            client: client, bus: bus, logger: Logger(label: "belfry.relay"), trace: trace)
    }

    private func makeGateway(
        _ ports: NodePorts, _ eventLoopGroup: any EventLoopGroup, _ installation: InstallationIdentity,
        _ postgres: (client: PostgresClient, requests: PostgresClient, heartBeats: PostgresClient), _ bus: any Bus,
        _ authenticator: any Authenticator, _ health: HealthChecks, _ sendRefusals: SendRefusals,
        _ trace: TraceRecorder
    ) -> GatewayServer {
        var gateway = GatewayConfiguration(
            http: ports.http, stomp: ports.stomp, limits: configuration.limits,
            developmentRoutes: developmentRoutes, allowedOrigins: configuration.allowedOrigins,
            trustedProxies: TrustedProxies(configuration.trustedProxies),
            forwarding: configuration.forwardedHeader, version: BelfryVersion.current)
        gateway.console = ports.console
        if case .off = gateway.console, configuration.consoleEnabled {
            logger.warning(
                "The console is not served: with auth dev everybody is an operator, and it is not on loopback.")
        }
        gateway.compression = configuration.compression
        gateway.sockJS = configuration.sockJS
        gateway.servesEarlierPages = configuration.servesEarlierPages || developmentRoutes != nil
        return GatewayServer(
            configuration: gateway, installation: installation, eventLoopGroup: eventLoopGroup,
            postgres: postgres.client, requests: postgres.requests, heartBeats: postgres.heartBeats, bus: bus,
            authenticator: authenticator, health: health, metricsText: { [registry] in registry.render() },
            sendRefusals: sendRefusals, insight: ConsoleInsight.of(configuration, postgres.requests, health),
            logger: Logger(label: "belfry.gateway"), trace: trace)
    }

    private func makeOperationsServer(
        _ listen: ListenAddress, _ eventLoopGroup: any EventLoopGroup, _ health: HealthChecks
    ) -> OperationsServer {
        OperationsServer(
            host: listen.host, port: listen.port, limits: configuration.limits, eventLoopGroup: eventLoopGroup,
            health: health,
            metricsText: { [registry] in registry.render() }, logger: Logger(label: "belfry.operations"),
            onListening: { announce(ListeningAddresses(http: $0, stomp: nil)) })
    }

    private func announce(_ addresses: ListeningAddresses) {
        var metadata: Logger.Metadata = ["address": "\(Self.place(addresses.http))"]
        if let stomp = addresses.stomp { metadata["stomp"] = "\(Self.place(stomp))" }
        if let console = addresses.console { metadata["console"] = "\(Self.place(console))" }
        logger.notice("The \(roles.part) is listening.", metadata: metadata)
        onListening?(addresses)
    }

    private static func place(_ address: SocketAddress) -> String {
        address.port.map { ListenAddress(host: address.ipAddress ?? "", port: $0).description } ?? "\(address)"
    }
}
