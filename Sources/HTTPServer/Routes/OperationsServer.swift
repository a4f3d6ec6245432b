import Hummingbird
import Logging
import NIOCore
import ServiceLifecycle

/// Health and metrics over HTTP for a process that is no node: `/health/live`, `/health/ready` and `/metrics`, as a
/// node serves them.
public struct OperationsServer: Service {
    private let host: String
    private let port: Int
    private let eventLoopGroup: any EventLoopGroup
    private let health: HealthChecks
    private let metricsText: @Sendable () -> String
    private let logger: Logger
    private let onListening: @Sendable (SocketAddress) -> Void

    /// - Parameters:
    ///   - port: 0 lets the system choose.
    ///   - onListening: told the address once it is bound.
    public init(
        host: String, port: Int, eventLoopGroup: any EventLoopGroup, health: HealthChecks,
        metricsText: @escaping @Sendable () -> String, logger: Logger,
        onListening: @escaping @Sendable (SocketAddress) -> Void = { _ in }
    ) {
        self.host = host
        self.port = port
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
        let onListening = onListening
        let application = Application(
            router: OperationsRoutes(health: health, metricsText: metricsText).router(),
            configuration: ApplicationConfiguration(address: .hostname(host, port: port), serverName: nil),
            onServerRunning: { channel in
                if let address = channel.localAddress { onListening(address) }
            },
            eventLoopGroupProvider: .shared(eventLoopGroup), logger: logger)
        try await application.run()
    }
}
