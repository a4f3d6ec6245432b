import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOWebSocket
import Testing

@testable import Gateway

@Suite("FirstRequestHandler")
struct FirstRequestHandlerTests {
    private static let handshake =
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        + "Sec-WebSocket-Protocol: v10.stomp, v12.stomp\r\n\r\n"

    private static func text(_ text: String) -> [UInt8] { TestClient.frame(.text, Array(text.utf8)) }

    @Test("However the bytes are split, the handshake is answered once and no byte behind it is lost")
    func splits() throws {
        let bytes = Array(Self.handshake.utf8) + Self.text("first") + Self.text("second")
        for split in 0...bytes.count {
            let connection = try Connection()
            try connection.send(bytes[..<split])
            try connection.send(bytes[split...])
            let answer = try connection.answer()
            #expect(answer.hasPrefix("HTTP/1.1 101 Switching Protocols\r\n"))
            #expect(answer.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"))
            #expect(answer.contains("Sec-WebSocket-Protocol: v12.stomp\r\n"))
            #expect(answer.hasSuffix("\r\n\r\n"))
            #expect(connection.received == .bytes(Self.text("first") + Self.text("second")), "split after \(split)")
            #expect(!connection.hasFirstRequestHandler)
        }
    }

    @Test("A handshake byte by byte")
    func bytes() throws {
        let connection = try Connection()
        for byte in Array(Self.handshake.utf8) + Self.text("a") { try connection.send([byte]) }
        #expect(connection.received == .bytes(Self.text("a")))
    }

    @Test(
        "What is no handshake of RFC 6455 is refused, and a request behind it ends nothing else",
        arguments: [
            ("Connection: keep-alive, Upgrade\r\n", ""), ("Connection: keep-alive, Upgrade", "Connection: close"),
            ("HTTP/1.1", "HTTP/1.0"), ("dGhlIHNhbXBsZSBub25jZQ==", "x"),
            ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8"),
        ])
    func faulty(_ part: String, replacement: String) throws {
        let connection = try Connection()
        let faulty = Self.handshake.replacing(part, with: replacement)
        #expect(faulty != Self.handshake)
        // NIO's decoder ends at a head that says so.
        let next = replacement == "Connection: close" ? "" : "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        try connection.send(Array((faulty + next).utf8))
        guard case .requests(let requests, let refusal) = connection.received else { return #expect(Bool(false)) }
        #expect(requests.first == "/ws")
        #expect(refusal?.status == .badRequest)
    }

    @Test("A plain request goes on whole, and so do those after it")
    func plain() throws {
        let bytes = Array("POST /x HTTP/1.1\r\nContent-Length: 2\r\n\r\nabGET /y HTTP/1.1\r\n\r\n".utf8)
        for split in 0...bytes.count {
            let connection = try Connection()
            try connection.send(bytes[..<split])
            try connection.send(bytes[split...])
            #expect(connection.received == .requests(["/x", "end", "/y", "end"], refusal: nil), "split after \(split)")
            #expect(!connection.hasFirstRequestHandler)
        }
    }

    @Test("A handshake that the policy does not let in is served plainly, with the reason")
    func refused() throws {
        let connection = try Connection()
        try connection.send(Self.handshake.replacing("/ws", with: "/other").utf8)
        guard case .requests(let requests, let refusal) = connection.received else { return #expect(Bool(false)) }
        #expect(requests == ["/other", "end"])
        #expect(refusal?.status == .notFound)
    }

    @Test("Bytes that are no HTTP are answered by 400")
    func noHTTP() throws {
        let connection = try Connection()
        try? connection.send([0x16, 0x03, 0x01, 0x0D, 0x0A])
        #expect(try connection.answer().hasPrefix("HTTP/1.1 400 "))
        #expect(!connection.channel.isActive)
    }

    @Test("A connection without a request ends: in time, when the server stops, when the peer has no more to say")
    func ends() throws {
        let slow = try Connection()
        try slow.send("GET / HTTP/1.1\r\nHost".utf8)
        slow.watch.tick(at: .now() + FirstRequestWatch.timeout - .seconds(1))
        #expect(slow.channel.isActive)
        slow.watch.tick(at: .now() + FirstRequestWatch.timeout)
        #expect(!slow.channel.isActive)

        let stopped = try Connection()
        stopped.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        #expect(!stopped.channel.isActive)

        let halfClosed = try Connection()
        halfClosed.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        #expect(!halfClosed.channel.isActive)
    }

    @Test("The deadline is of the first request only")
    func deadline() throws {
        let connection = try Connection()
        try connection.send(Self.handshake.utf8)
        connection.watch.tick(at: .now() + FirstRequestWatch.timeout * 2)
        #expect(connection.channel.isActive)
    }
}

/// A connection at the gate, with something in place of the session and of Hummingbird.
private final class Connection {
    enum Received: Equatable {
        case nothing
        case bytes([UInt8])
        case requests([String], refusal: UpgradePolicy.Refusal?)
    }

    let channel = EmbeddedChannel()
    let watch = FirstRequestWatch()
    private let sink = Sink()

    init() throws {
        let gate = FirstRequestHandler.Gate(
            policy: UpgradePolicy(allowedOrigins: []),
            startSession: { [sink] channel in
                sink.received = .bytes([])
                try channel.pipeline.syncOperations.addHandler(sink)
            },
            servePlainly: { [sink] channel, refusal in
                sink.received = .requests([], refusal: refusal)
                try channel.pipeline.syncOperations.addHandler(sink)
            })
        try gate.attend(channel, watch: watch)
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    var received: Received { sink.received }

    var hasFirstRequestHandler: Bool {
        (try? channel.pipeline.syncOperations.context(handlerType: FirstRequestHandler.self)) != nil
    }

    func send(_ bytes: some Sequence<UInt8>) throws {
        try channel.writeInbound(ByteBuffer(bytes: bytes))
        channel.embeddedEventLoop.run()
    }

    func answer() throws -> String {
        try channel.readOutbound(as: ByteBuffer.self).map { String(buffer: $0) } ?? ""
    }

    /// Unchecked: an embedded channel stays on its thread.
    private final class Sink: ChannelInboundHandler, @unchecked Sendable {
        typealias InboundIn = Any

        var received = Received.nothing

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch (received, unwrapInboundIn(data)) {
            case (.bytes(let bytes), let data as IOData):
                guard case .byteBuffer(let buffer) = data else { return }
                received = .bytes(bytes + Array(buffer.readableBytesView))
            case (.requests(let requests, let refusal), HTTPServerRequestPart.head(let head)):
                received = .requests(requests + [head.uri], refusal: refusal)
            case (.requests(let requests, let refusal), HTTPServerRequestPart.end):
                received = .requests(requests + ["end"], refusal: refusal)
            default:
                break
            }
        }
    }
}
