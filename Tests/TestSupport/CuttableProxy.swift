import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// A network between a client and a server that can be cut: passes on what it gets until then.
public final class CuttableProxy: Sendable {
    private let listener: any Channel
    private let serverPort: Int
    private let connections: NIOLockedValueBox<[any Channel]>
    private let accepted: NIOLockedValueBox<Int>

    public var port: Int { listener.localAddress?.port ?? 0 }
    /// Connections so far.
    public var connectionsMade: Int { accepted.withLockedValue { $0 } }

    /// - Parameter port: of the server, on loopback.
    public static func start(to port: Int) async throws -> CuttableProxy {
        let connections = NIOLockedValueBox<[any Channel]>([])
        let accepted = NIOLockedValueBox(0)
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelInitializer { client in
                accepted.withLockedValue { $0 += 1 }
                connections.withLockedValue { $0.append(client) }
                return ClientBootstrap(group: client.eventLoop)
                    .channelOption(.autoRead, value: false)
                    .connect(host: "127.0.0.1", port: port)
                    .flatMap { server in
                        connections.withLockedValue { $0.append(server) }
                        return client.eventLoop.makeCompletedFuture {
                            try client.pipeline.syncOperations.addHandler(PassingHandler(to: server))
                            try server.pipeline.syncOperations.addHandler(PassingHandler(to: client))
                        }.flatMap {
                            client.setOption(.autoRead, value: true).and(server.setOption(.autoRead, value: true))
                        }.map { _ in }
                    }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        return CuttableProxy(
            listener: listener, serverPort: port, connections: connections, accepted: accepted)
    }

    private init(
        listener: any Channel, serverPort: Int, connections: NIOLockedValueBox<[any Channel]>,
        accepted: NIOLockedValueBox<Int>
    ) {
        self.listener = listener
        self.serverPort = serverPort
        self.connections = connections
        self.accepted = accepted
    }

    /// Passes on no more of what the server says by the connections that there are.
    public func holdAnswers() async throws {
        for channel in connections.withLockedValue({ $0 }) where channel.remoteAddress?.port == serverPort {
            try await channel.setOption(.autoRead, value: false).get()
        }
    }

    /// Ends all connections, both ways, without a word; new ones are taken.
    public func cut() {
        let open = connections.withLockedValue { channels in
            defer { channels.removeAll() }
            return channels
        }
        for channel in open { channel.close(promise: nil) }
    }

    public func stop() async {
        try? await listener.close()
        cut()
    }
}

private final class PassingHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let other: any Channel

    init(to other: any Channel) { self.other = other }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        other.writeAndFlush(unwrapInboundIn(data), promise: nil)
    }

    func channelInactive(context: ChannelHandlerContext) { other.close(promise: nil) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
