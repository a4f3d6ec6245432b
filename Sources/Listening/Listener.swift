import BelfryModel
import Glibc
import NIOCore
import NIOExtras
import NIOPosix
import ServiceLifecycle

/// A listening socket of a node. A connection costs no task: its handlers deal with it on its event loop.
public struct Listener: Sendable {
    /// Where it listens, and what comes before the protocol.
    public struct Configuration: Sendable {
        public var host: String
        /// 0 lets the system choose.
        public var port: Int
        /// Trusted proxies begin each connection with a PROXY header, and nobody else may.
        public var takesProxyHeaders: Bool
        /// `nil` where no TLS is spoken.
        public var tls: ServerTLS?

        public init(host: String, port: Int, takesProxyHeaders: Bool = false, tls: ServerTLS? = nil) {
            self.host = host
            self.port = port
            self.takesProxyHeaders = takesProxyHeaders
            self.tls = tls
        }
    }

    /// Connections that the kernel keeps for us while we are busy.
    private static let backlog: Int32 = 4096
    /// Connections taken in one turn of the event loop, before those that are there have their turn.
    private static let acceptsPerTurn: UInt = 64

    private let port: ListenerPort
    private let configuration: Configuration
    private let eventLoopGroup: any EventLoopGroup
    private let opening: ConnectionOpening

    /// - Parameters:
    ///   - gate: that of the node.
    ///   - limits: of them `openingTimeout`.
    ///   - refuse: puts into a channel, on its event loop, what answers a connection that is over a limit; without it
    ///     such a connection is closed.
    ///   - initialize: puts into an accepted channel, on its event loop, what deals with it.
    public init(
        _ port: ListenerPort, _ configuration: Configuration, gate: ConnectionGate, limits: Limits,
        eventLoopGroup: any EventLoopGroup,
        refuse: @escaping @Sendable (any Channel, ConnectionRefusal) throws -> Void = { throw $1 },
        initialize: @escaping @Sendable (any Channel, AcceptedConnection) throws -> Void
    ) {
        self.port = port
        self.configuration = configuration
        self.eventLoopGroup = eventLoopGroup
        opening = ConnectionOpening(
            port: port, gate: gate, takesProxyHeaders: configuration.takesProxyHeaders, tls: configuration.tls,
            timeout: TimeAmount(limits.openingTimeout), refuse: refuse, initialize: initialize)
    }

    /// Accepts connections until graceful shutdown, and through `pause` after it; then tells every channel to come to
    /// an end, and returns when the last has.
    ///
    /// - Parameters:
    ///   - pause: runs after the beginning of the shutdown, while connections are accepted still.
    ///   - onListening: told the address once it is bound.
    /// - Throws: `ListenError`.
    public func run(
        pause: @escaping @Sendable () async -> Void = {}, onListening: @Sendable (SocketAddress) -> Void
    ) async throws {
        let quiescing = ServerQuiescingHelper(group: eventLoopGroup)
        let channel: any Channel
        do {
            channel = try await bootstrap(quiescing).bind(host: configuration.host, port: configuration.port).get()
        } catch {
            throw ListenError(port, configuration, underlying: error)
        }
        if let address = channel.localAddress { onListening(address) }
        let ended = channel.eventLoop.makePromise(of: Void.self)
        await withTaskCancellationHandler {
            // Throws when cancelled.
            if (try? await gracefulShutdown()) != nil {
                await pause()
                quiescing.initiateShutdown(promise: ended)
            }
            try? await ended.futureResult.get()
        } onCancel: {
            // Whoever cancels does not wait for the channels.
            channel.close(promise: nil)
            ended.succeed()
        }
    }

    private func bootstrap(_ quiescing: ServerQuiescingHelper) -> ServerBootstrap {
        let opening = opening
        var bootstrap = ServerBootstrap(group: eventLoopGroup)
            .serverChannelOption(.backlog, value: Self.backlog)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.maxMessagesPerRead, value: Self.acceptsPerTurn)
            .childChannelOption(.allowRemoteHalfClosure, value: true)
        for (option, value) in Self.keepAlive { bootstrap = bootstrap.serverChannelOption(option, value: value) }
        return bootstrap.serverChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                let pipeline = channel.pipeline.syncOperations
                try pipeline.addHandler(AcceptPause())
                try pipeline.addHandler(quiescing.makeServerChannelHandler(channel: channel))
            }
        }.childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture { try opening.begin(channel) }
        }
    }

    /// A peer whose machine vanished is noticed after about two minutes, whether it promised heart-beats or not.
    /// Accepted sockets inherit these from the listening one (tcp(7)).
    private static let keepAlive: [(ChannelOptions.Types.SocketOption, SocketOptionValue)] = [
        (.socketOption(.so_keepalive), 1),
        (.tcpOption(.init(rawValue: TCP_KEEPIDLE)), 60),
        (.tcpOption(.init(rawValue: TCP_KEEPINTVL)), 15),
        (.tcpOption(.init(rawValue: TCP_KEEPCNT)), 4),
    ]
}
