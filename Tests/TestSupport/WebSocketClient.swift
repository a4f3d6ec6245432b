import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOWebSocket

/// A WebSocket to a node on loopback: what arrives is kept until it is asked for.
public final class WebSocketClient: Sendable {
    /// What arrived.
    public enum Event: Sendable, Equatable {
        case text(ByteBuffer)
        case binary(ByteBuffer)
        case pong(ByteBuffer)
        case close(code: UInt16?, reason: String)
        case ended
    }

    /// Why there is no WebSocket.
    public struct Refused: Error, CustomStringConvertible {
        public let description: String
    }

    public let channel: any Channel
    /// The subprotocol that the server chose.
    public let subprotocol: String?
    private let inbox: NIOLockedValueBox<[Event]>

    private init(channel: any Channel, subprotocol: String?, inbox: NIOLockedValueBox<[Event]>) {
        self.channel = channel
        self.subprotocol = subprotocol
        self.inbox = inbox
    }

    /// Connects; throws `Refused` when the server does not upgrade.
    public static func connect(
        port: Int, path: String = "/ws", subprotocols: [String] = [], origin: String? = nil,
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    ) async throws -> WebSocketClient {
        let inbox = NIOLockedValueBox<[Event]>([])
        let chosen = NIOLockedValueBox<String?>(nil)
        let upgraded: EventLoopFuture<(any Channel)?> = try await ClientBootstrap(group: group)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .connect(host: "127.0.0.1", port: port) { channel in
                channel.eventLoop.makeCompletedFuture {
                    let upgrader = NIOTypedWebSocketClientUpgrader<(any Channel)?>(
                        maxFrameSize: 1 << 22,
                        upgradePipelineHandler: { channel, head in
                            chosen.withLockedValue { $0 = head.headers.first(name: "sec-websocket-protocol") }
                            return channel.eventLoop.makeCompletedFuture {
                                try channel.pipeline.syncOperations.addHandler(InboxHandler(inbox: inbox))
                                return channel
                            }
                        })
                    var headers = HTTPHeaders([("Host", "127.0.0.1:\(port)")])
                    if !subprotocols.isEmpty {
                        headers.add(name: "Sec-WebSocket-Protocol", value: subprotocols.joined(separator: ", "))
                    }
                    if let origin { headers.add(name: "Origin", value: origin) }
                    let head = HTTPRequestHead(version: .http1_1, method: .GET, uri: path, headers: headers)
                    return try channel.pipeline.syncOperations.configureUpgradableHTTPClientPipeline(
                        configuration: .init(
                            upgradeConfiguration: .init(
                                upgradeRequestHead: head, upgraders: [upgrader],
                                notUpgradingCompletionHandler: { $0.eventLoop.makeSucceededFuture(nil) })))
                }
            }
        guard let channel = try await upgraded.get() else {
            throw Refused(description: "The server did not upgrade \(path).")
        }
        return WebSocketClient(channel: channel, subprotocol: chosen.withLockedValue { $0 }, inbox: inbox)
    }

    /// Everything that has arrived and was not taken yet.
    public var events: [Event] { inbox.withLockedValue { $0 } }

    /// Takes everything that has arrived.
    public func takeEvents() -> [Event] {
        inbox.withLockedValue { events in
            defer { events.removeAll() }
            return events
        }
    }

    /// Sends one frame.
    public func send(
        _ bytes: ByteBuffer, opcode: WebSocketOpcode = .text, fin: Bool = true
    ) async throws {
        let frame = WebSocketFrame(fin: fin, opcode: opcode, maskKey: .random(), data: bytes)
        try await channel.writeAndFlush(frame).get()
    }

    /// Ends the TCP connection without a closing handshake.
    public func abort() async {
        try? await channel.close().get()
    }

    /// Stops reading from the socket: the server's writes pile up.
    public func setReading(_ isReading: Bool) async throws {
        try await channel.setOption(.autoRead, value: isReading).get()
    }
}

private final class InboxHandler: ChannelInboundHandler {
    typealias InboundIn = WebSocketFrame
    typealias OutboundOut = WebSocketFrame

    private let inbox: NIOLockedValueBox<[WebSocketClient.Event]>

    init(inbox: NIOLockedValueBox<[WebSocketClient.Event]>) { self.inbox = inbox }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        var frame = unwrapInboundIn(data)
        switch frame.opcode {
        case .text: add(.text(frame.data))
        case .binary: add(.binary(frame.data))
        case .pong: add(.pong(frame.data))
        case .connectionClose:
            let code = frame.data.readInteger(as: UInt16.self)
            add(.close(code: code, reason: String(buffer: frame.data)))
            // RFC 6455, section 5.5.1: answer, then let the server close.
            let answer = WebSocketFrame(fin: true, opcode: .connectionClose, maskKey: .random(), data: ByteBuffer())
            context.writeAndFlush(wrapOutboundOut(answer), promise: nil)
        default: break
        }
    }

    func channelInactive(context: ChannelHandlerContext) { add(.ended) }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func add(_ event: WebSocketClient.Event) { inbox.withLockedValue { $0.append(event) } }
}
