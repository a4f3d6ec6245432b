import BelfryModel
import Hummingbird
import Listening
import Logging
import NIOCore
import Node
import ServiceLifecycle

/// Health and metrics over HTTP for a process that is no node: `/health/live`, `/health/ready` and `/metrics`, as a
/// node serves them, and with a node's limits.
public struct OperationsServer: Service {
    private let host: String
    private let port: Int
    private let limits: Limits
    private let eventLoopGroup: any EventLoopGroup
    private let health: HealthChecks
    private let metricsText: @Sendable () -> String
    private let logger: Logger
    private let onListening: @Sendable (SocketAddress) -> Void

    /// - Parameters:
    ///   - port: 0 lets the system choose.
    ///   - onListening: told the address once it is bound.
    public init(
        host: String, port: Int, limits: Limits = Limits(), eventLoopGroup: any EventLoopGroup, health: HealthChecks,
        metricsText: @escaping @Sendable () -> String, logger: Logger,
        onListening: @escaping @Sendable (SocketAddress) -> Void = { _ in }
    ) {
        self.host = host
        self.port = port
        self.limits = limits
        self.eventLoopGroup = eventLoopGroup
        self.health = health
        self.metricsText = metricsText
        self.logger = logger
        self.onListening = onListening
    }

    /// Serves until graceful shutdown.
    ///
    /// - Throws: the reason why it can't listen, such as a port in use.
    public func run() async throws {
        var policy = UpgradePolicy(allowedOrigins: [])
        policy.endpoints = [:]
        let rules = RequestRules(policy: policy)
        let turns = Dictionary(
            uniqueKeysWithValues: eventLoopGroup.makeIterator().map { (ObjectIdentifier($0), TurnQueue(eventLoop: $0)) }
        )
        let http = PlainHTTP(
            router: OperationsRoutes(health: health, metricsText: metricsText).router(), rules: rules, limits: limits,
            logger: logger)
        let setup = ConnectionSetup(
            rules: rules, limits: limits, eventLoops: eventLoopGroup.makeIterator(),
            startSession: { _, _ in throw ChannelError.operationUnsupported },
            servePlainly: { channel, connection in
                guard let turns = turns[ObjectIdentifier(channel.eventLoop)] else {
                    throw ChannelError.inappropriateOperationForState
                }
                try http.serve(channel, of: connection, turns: turns)
            })
        let listener = Listener(
            .http, Listener.Configuration(host: host, port: port), gate: ConnectionGate(limits: limits, logger: logger),
            limits: limits, eventLoopGroup: eventLoopGroup, refuse: setup.refuse, initialize: setup.initialize)
        try await listener.run(onListening: onListening)
    }
}
