import NIOCore
import NIOPosix

/// The least NIO server that writes the same WebSocket frame to every connected socket: one event loop, no sessions, no
/// acknowledgements, nothing kept.
///
/// A connection that begins with `GET` is answered as a WebSocket handshake with the sample key of RFC 6455
/// (section 1.3) and is a receiver from then on. One that begins with `feedGreeting` is a publisher: it sends messages,
/// each as four bytes of length (big-endian) and its bytes, and gets one byte back for each.
public final class BareFanOut: Sendable {
    /// What a publisher sends first.
    public static let feedGreeting = "FEED\r\n\r\n"

    /// Where it listens on 127.0.0.1.
    public let port: Int
    private let group: MultiThreadedEventLoopGroup

    private init(port: Int, group: MultiThreadedEventLoopGroup) {
        self.port = port
        self.group = group
    }

    /// Listens on a free port.
    public static func start() async throws -> BareFanOut {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do {
            let audience = NIOLoopBoundBox.makeBoxSendingValue([BareFanOutHandler](), eventLoop: group.next())
            let channel = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 4_096)
                .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .childChannelInitializer { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(BareFanOutHandler(audience))
                    }
                }
                .bind(host: "127.0.0.1", port: 0).get()
            return BareFanOut(port: channel.localAddress?.port ?? 0, group: group)
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
    }

    /// Closes everything.
    public func stop() async { try? await group.shutdownGracefully() }
}

/// One connection: a receiver or a publisher, by how it begins.
private final class BareFanOutHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    private enum Role { case unknown, receiver, publisher }

    private static let answer =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        + "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"

    private let audience: NIOLoopBoundBox<[BareFanOutHandler]>
    private var role = Role.unknown
    /// Of a receiver: its channel, and where it stands in the audience, so that leaving takes no search.
    private var receiver: (channel: any Channel, place: Int)?
    private var inbound = ByteBuffer()

    init(_ audience: NIOLoopBoundBox<[BareFanOutHandler]>) { self.audience = audience }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var bytes = unwrapInboundIn(data)
        if role == .receiver { return }
        inbound.writeBuffer(&bytes)
        if role == .unknown { begin(context) }
        if role == .publisher { publish(context) }
    }

    func channelInactive(context: ChannelHandlerContext) {
        guard let place = receiver?.place else { return }
        receiver = nil
        let last = audience.value.removeLast()
        guard last !== self else { return }
        audience.value[place] = last
        last.receiver?.place = place
    }

    private func begin(_ context: ChannelHandlerContext) {
        let view = inbound.readableBytesView
        guard view.suffix(4).elementsEqual("\r\n\r\n".utf8) || view.starts(with: BareFanOut.feedGreeting.utf8) else {
            return
        }
        if view.first == UInt8(ascii: "G") {
            role = .receiver
            inbound.clear()
            receiver = (context.channel, audience.value.count)
            audience.value.append(self)
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: Self.answer)), promise: nil)
        } else {
            role = .publisher
            inbound.moveReaderIndex(forwardBy: BareFanOut.feedGreeting.utf8.count)
        }
    }

    private func publish(_ context: ChannelHandlerContext) {
        var answers = 0
        while let length = inbound.getInteger(at: inbound.readerIndex, as: UInt32.self),
            inbound.readableBytes >= 4 + Int(length)
        {
            inbound.moveReaderIndex(forwardBy: 4)
            guard let payload = inbound.readSlice(length: Int(length)) else { break }
            let frame = Self.frame(payload)
            for member in audience.value { member.receiver?.channel.write(frame, promise: nil) }
            answers += 1
        }
        guard answers > 0 else { return }
        for member in audience.value { member.receiver?.channel.flush() }
        inbound.discardReadBytes()
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(repeating: 1, count: answers)), promise: nil)
    }

    /// A text frame of RFC 6455, section 5.2.
    private static func frame(_ payload: ByteBuffer) -> ByteBuffer {
        var frame = ByteBuffer()
        frame.writeInteger(UInt8(0x81))
        if payload.readableBytes < 126 {
            frame.writeInteger(UInt8(payload.readableBytes))
        } else {
            frame.writeInteger(UInt8(126))
            frame.writeInteger(UInt16(clamping: payload.readableBytes))
        }
        frame.writeImmutableBuffer(payload)
        return frame
    }
}
