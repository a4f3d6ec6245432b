import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import NIOSSL
import TestBasics

/// A TCP connection to a port of loopback, with TLS or without: a peer that says what it likes.
public final class RawConnection: Sendable {
    private struct State {
        var received = ByteBuffer()
        var isInputClosed = false
        var isEnded = false
    }

    private let channel: any Channel
    private let state: NIOLockedValueBox<State>

    private init(channel: any Channel, state: NIOLockedValueBox<State>) {
        self.channel = channel
        self.state = state
    }

    /// - Parameters:
    ///   - tls: what the handler of TLS is made of; none without it.
    ///   - first: bytes that go out before TLS begins.
    public static func open(
        port: Int, tls: TLSConfiguration? = nil, first: [UInt8] = []
    ) async throws -> RawConnection {
        let state = NIOLockedValueBox(State())
        let context = try tls.map { try NIOSSLContext(configuration: $0) }
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if !first.isEmpty { try pipeline.addHandler(Preface(first)) }
                    if let context {
                        try pipeline.addHandler(NIOSSLClientHandler(context: context, serverHostname: nil))
                    }
                    try pipeline.addHandler(Collector(state))
                }
            }
            .connect(host: "127.0.0.1", port: port).get()
        return RawConnection(channel: channel, state: state)
    }

    public func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    public func send(_ bytes: [UInt8]) async throws {
        try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
    }

    /// Ends our direction only.
    public func closeOutput() async throws { try await channel.close(mode: .output).get() }

    public func close() async { try? await channel.close().get() }

    /// Stops reading from the socket: the server's writes pile up.
    public func setReading(_ isReading: Bool) async throws {
        try await channel.setOption(.autoRead, value: isReading).get()
    }

    /// All that was received, as text.
    public var text: String { String(buffer: state.withLockedValue { $0.received }) }
    /// Whether the server has ended the connection, or its direction.
    public var isEnded: Bool { state.withLockedValue { $0.isEnded || $0.isInputClosed } }
    /// Whether nothing is left of it.
    public var isGone: Bool { state.withLockedValue { $0.isEnded } }

    /// Waits until a text was received.
    @discardableResult
    public func receive(_ part: String, within limit: Duration = .seconds(10)) async throws -> String {
        do {
            return try await eventually("'\(part)'", within: limit) { text.contains(part) ? text : nil }
        } catch {
            throw NotInTime(description: "'\(part)' did not come, but: \(text)")
        }
    }

    /// Waits until the server has ended its direction.
    public func ended(within limit: Duration = .seconds(10)) async throws {
        try await eventually("the server's end", within: limit) { isEnded }
    }

    /// Sends bytes before any handler behind it sends its own.
    private final class Preface: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        typealias OutboundOut = ByteBuffer
        private let bytes: [UInt8]

        init(_ bytes: [UInt8]) { self.bytes = bytes }

        func channelActive(context: ChannelHandlerContext) {
            context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: bytes)), promise: nil)
            context.fireChannelActive()
        }
    }

    private final class Collector: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private let state: NIOLockedValueBox<State>

        init(_ state: NIOLockedValueBox<State>) { self.state = state }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            var bytes = unwrapInboundIn(data)
            _ = state.withLockedValue { $0.received.writeBuffer(&bytes) }
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if let event = event as? ChannelEvent, event == .inputClosed {
                state.withLockedValue { $0.isInputClosed = true }
            }
            context.fireUserInboundEventTriggered(event)
        }

        func channelInactive(context: ChannelHandlerContext) { state.withLockedValue { $0.isEnded = true } }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
    }
}
