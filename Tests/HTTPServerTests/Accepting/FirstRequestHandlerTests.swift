import BelfryModel
import Listening
import NIOCore
import NIOEmbedded
import NIOHTTP1
import NIOWebSocket
import Testing
import WebSocketSupport

@testable import HTTPServer

@Suite("FirstRequestHandler")
struct FirstRequestHandlerTests {
    private static let timeout = TimeAmount(Limits().firstRequestTimeout)
    private static let handshake =
        "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
        + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        + "Sec-WebSocket-Protocol: v10.stomp, v12.stomp\r\n\r\n"

    private static func text(_ text: String) -> [UInt8] { ClientFrames.frame(.text, Array(text.utf8)) }

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

    @Test("Compression is answered where the node compresses and it is offered; a header that is no list is refused")
    func extensions() throws {
        func answer(offer: String, compresses: Bool) throws -> String {
            let connection = try Connection(compresses: compresses)
            let handshake = Self.handshake.replacing("\r\n\r\n", with: "\r\nSec-WebSocket-Extensions: \(offer)\r\n\r\n")
            try connection.send(Array(handshake.utf8))
            return try connection.answer()
        }
        let agreed =
            "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"
        #expect(try answer(offer: "permessage-deflate; client_max_window_bits", compresses: true).contains(agreed))
        // In two headers, the second of which is what can be taken.
        let two = "permessage-deflate; unknown\r\nSec-WebSocket-Extensions: permessage-deflate"
        #expect(try answer(offer: two, compresses: true).contains(agreed))
        for (offer, compresses) in [("permessage-deflate", false), ("x-other", true)] {
            let answer = try answer(offer: offer, compresses: compresses)
            #expect(answer.hasPrefix("HTTP/1.1 101 "))
            #expect(!answer.contains("Extensions"))
        }
        for compresses in [true, false] {
            #expect(try answer(offer: "permessage-deflate;", compresses: compresses).hasPrefix("HTTP/1.1 400 "))
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
            ("Connection: keep-alive, Upgrade\r\n", "", 400),
            ("Connection: keep-alive, Upgrade", "Connection: close", 400), ("HTTP/1.1", "HTTP/1.0", 400),
            ("dGhlIHNhbXBsZSBub25jZQ==", "x", 400), ("Host: x\r\n", "", 400), ("Host: x", "Host: x\r\nHost: x", 400),
            ("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", 426), ("/ws", "/other", 404),
        ] as [(String, String, Int)])
    func faulty(_ part: String, replacement: String, status: Int) throws {
        let connection = try Connection()
        let faulty = Self.handshake.replacing(part, with: replacement)
        #expect(faulty != Self.handshake)
        // NIO's decoder ends at a head that says so.
        let next = replacement == "Connection: close" ? "" : "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        try connection.send(Array((faulty + next).utf8))
        #expect(connection.received == .requests([]))
        let answer = try connection.answer()
        #expect(answer.hasPrefix("HTTP/1.1 \(status) "))
        #expect(answer.matches(of: #/HTTP/1\.1 \d/#).count == 1)
        #expect(!connection.hasFirstRequestHandler)
    }

    @Test("A plain request goes on whole, and so do those after it")
    func plain() throws {
        let bytes = Array(
            "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nabGET http://x/y HTTP/1.1\r\nHost: x\r\n\r\n".utf8)
        for split in 0...bytes.count {
            let connection = try Connection()
            try connection.send(bytes[..<split])
            try connection.send(bytes[split...])
            #expect(connection.received == .requests(["/x", "end", "/y", "end"]), "split after \(split)")
            #expect(!connection.hasFirstRequestHandler)
        }
    }

    @Test("The target of a handshake may be a URL, and its headers may be spelled and split as they please")
    func spellings() throws {
        let absolute = Self.handshake.replacing("GET /ws", with: "GET HTTP://x:80/ws?a=b")
        let split = Self.handshake.replacing(
            "Connection: keep-alive, Upgrade", with: "CONNECTION:keep-alive ,\r\nconnection:\tuPGRADE")
        for handshake in [absolute, split.replacing("Upgrade: websocket", with: "UPGRADE: h2c, WebSocket")] {
            let connection = try Connection()
            try connection.send(Array(handshake.utf8) + Self.text("first"))
            #expect(try connection.answer().hasPrefix("HTTP/1.1 101 "))
            #expect(connection.received == .bytes(Self.text("first")), "\(handshake)")
        }
    }

    @Test("Bytes that are no HTTP are answered by 400")
    func noHTTP() throws {
        let connection = try Connection()
        try? connection.send([0x16, 0x03, 0x01, 0x0D, 0x0A])
        #expect(try connection.answer().hasPrefix("HTTP/1.1 400 "))
        try? connection.send(Self.handshake.utf8)
        #expect(try connection.answer() == "")
        connection.channel.embeddedEventLoop.advanceTime(by: Self.timeout + .milliseconds(250))
        #expect(!connection.channel.isActive)
    }

    @Test("A connection without a request ends: in time, when the server stops, when the peer has no more to say")
    func ends() throws {
        let slow = try Connection()
        try slow.send("GET / HTTP/1.1\r\nHost".utf8)
        slow.channel.embeddedEventLoop.advanceTime(by: Self.timeout - .seconds(1))
        #expect(slow.channel.isActive)
        slow.channel.embeddedEventLoop.advanceTime(by: .milliseconds(1_250))
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
        connection.channel.embeddedEventLoop.advanceTime(by: Self.timeout * 2)
        #expect(connection.channel.isActive)
    }
}

/// A new connection, with something in place of the session and of Hummingbird.
private final class Connection {
    enum Received: Equatable {
        case nothing
        case bytes([UInt8])
        case requests([String])
    }

    let channel = EmbeddedChannel()
    private let sink = Sink()

    init(compresses: Bool = false) throws {
        var policy = UpgradePolicy(allowedOrigins: [])
        policy.compresses = compresses
        let setup = ConnectionSetup(
            rules: RequestRules(policy: policy),
            eventLoops: EventLoopIterator([channel.embeddedEventLoop]),
            startSession: { [sink] channel, _ in
                sink.received = .bytes([])
                try channel.pipeline.syncOperations.addHandler(sink)
            },
            servePlainly: { [sink] channel, connection in
                sink.received = .requests([])
                let pipeline = channel.pipeline.syncOperations
                try pipeline.addHandler(HTTPResponseEncoder())
                try pipeline.addHandler(
                    RequestHandler(
                        rules: RequestRules(policy: UpgradePolicy(allowedOrigins: [])), connection: connection,
                        limits: Limits()))
                try pipeline.addHandler(sink)
            })
        try setup.initialize(channel, AcceptedConnection(address: nil))
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
        var answer = ""
        while let bytes = try channel.readOutbound(as: ByteBuffer.self) { answer += String(buffer: bytes) }
        return answer
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
            case (.requests(let requests), HTTPServerRequestPart.head(let head)):
                received = .requests(requests + [head.uri])
            case (.requests(let requests), HTTPServerRequestPart.end):
                received = .requests(requests + ["end"])
            default:
                break
            }
        }
    }
}
