import Glibc
import NIOCore
import NIOExtras
import NIOPosix
import ServiceLifecycle

/// The listening socket of a node. A connection costs no task: its handlers deal with it on its event loop.
public struct HTTPListener: Sendable {
    /// Connections that the kernel keeps for us while we are busy.
    private static let backlog: Int32 = 4096
    /// Connections taken in one turn of the event loop, before those that are there have their turn.
    private static let acceptsPerTurn: UInt = 64

    private let host: String
    private let port: Int
    private let eventLoopGroup: any EventLoopGroup
    /// Puts into an accepted channel, on its event loop, what deals with it.
    private let initialize: @Sendable (any Channel) throws -> Void

    /// - Parameters:
    ///   - port: 0 lets the system choose.
    ///   - initialize: puts into an accepted channel, on its event loop, what deals with it.
    public init(
        host: String, port: Int, eventLoopGroup: any EventLoopGroup,
        initialize: @escaping @Sendable (any Channel) throws -> Void
    ) {
        self.host = host
        self.port = port
        self.eventLoopGroup = eventLoopGroup
        self.initialize = initialize
    }

    /// Accepts connections until graceful shutdown; then tells every channel to come to an end, and returns when the
    /// last has.
    ///
    /// - Parameter onListening: told the address once it is bound.
    /// - Throws: the reason why it can't listen, such as a port in use.
    public func run(onListening: @Sendable (SocketAddress) -> Void) async throws {
        let quiescing = ServerQuiescingHelper(group: eventLoopGroup)
        let channel = try await bootstrap(quiescing).bind(host: host, port: port).get()
        if let address = channel.localAddress { onListening(address) }
        let ended = channel.eventLoop.makePromise(of: Void.self)
        await withTaskCancellationHandler {
            await withGracefulShutdownHandler {
                try? await ended.futureResult.get()
            } onGracefulShutdown: {
                quiescing.initiateShutdown(promise: ended)
            }
        } onCancel: {
            // Whoever cancels does not wait for the channels.
            channel.close(promise: nil)
            ended.succeed()
        }
    }

    private func bootstrap(_ quiescing: ServerQuiescingHelper) -> ServerBootstrap {
        let initialize = initialize
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
            channel.eventLoop.makeCompletedFuture { try initialize(channel) }
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

/// Lets a while pass when no connection can be accepted for want of descriptors or memory, instead of failing as fast
/// as one can: the socket stays readable. NIO's `AcceptBackoffHandler` holds back reads that are asked for, but the one
/// that failed stays asked for.
private final class AcceptPause: ChannelInboundHandler {
    typealias InboundIn = Channel

    private static let length = TimeAmount.milliseconds(100)

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if let error = error as? IOError, [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(error.errnoCode) {
            let channel = context.channel
            try? channel.syncOptions?.setOption(.autoRead, value: false)
            context.eventLoop.scheduleTask(in: Self.length) {
                // A channel that was closed meanwhile refuses.
                try? channel.syncOptions?.setOption(.autoRead, value: true)
            }
        }
        context.fireErrorCaught(error)
    }
}
