import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import TestBasics

/// Bytes sent to a port, and what came back until the server closed or fell silent.
public enum RawHTTP {
    public static func exchange(port: Int, _ request: String, within limit: Duration = .seconds(3)) async throws
        -> String
    {
        let received = NIOLockedValueBox((bytes: ByteBuffer(), isEnded: false))
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(Collector(received))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        try await channel.writeAndFlush(ByteBuffer(string: request)).get()
        try? await eventually("the server closes", within: limit) { received.withLockedValue { $0.isEnded } }
        channel.close(promise: nil)
        return String(buffer: received.withLockedValue { $0.bytes })
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let received: NIOLockedValueBox<(bytes: ByteBuffer, isEnded: Bool)>

        init(_ received: NIOLockedValueBox<(bytes: ByteBuffer, isEnded: Bool)>) { self.received = received }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            received.withLockedValue { $0.bytes.writeImmutableBuffer(unwrapInboundIn(data)) }
        }

        func channelInactive(context: ChannelHandlerContext) { received.withLockedValue { $0.isEnded = true } }
    }
}
