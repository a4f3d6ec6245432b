import BelfryModel
import Listening
import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import HTTPServer

/// A connection of plain HTTP with a test in the place of Hummingbird, and with a clock of the test's.
@Suite("RequestHandler")
struct RequestHandlerTests {
    private static let get = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n"
    private static let open = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n"

    private let channel = EmbeddedChannel()

    private static let limits: Limits = {
        var limits = Limits()
        limits.requestsPerConnectionMax = 5
        return limits
    }()

    init() throws {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(HalfOpen())
        try pipeline.addHandler(ByteToMessageHandler(HTTPRequestDecoder()))
        try pipeline.addHandler(HTTPResponseEncoder())
        try pipeline.addHandler(
            RequestHandler(
                rules: RequestRules(policy: UpgradePolicy(allowedOrigins: [])),
                connection: AcceptedConnection(address: nil), limits: Self.limits))
        try channel.connect(to: SocketAddress(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    private func send(_ text: String) { try? channel.writeInbound(ByteBuffer(string: text)) }

    private func pass(_ duration: Duration) {
        channel.embeddedEventLoop.advanceTime(by: .nanoseconds(Int64(duration / .nanoseconds(1))))
    }

    /// The targets of the requests that came through, and a period for each end.
    private func received() throws -> [String] {
        var parts: [String] = []
        while let part = try channel.readInbound(as: HTTPServerRequestPart.self) {
            switch part {
            case .head(let head): parts.append(head.uri)
            case .body: break
            case .end: parts.append(".")
            }
        }
        return parts
    }

    private func answer(_ status: HTTPResponseStatus = .ok) throws {
        let head = HTTPResponseHead(version: .http1_1, status: status, headers: ["Content-Length": "0"])
        try channel.writeOutbound(HTTPServerResponsePart.head(head))
        try channel.writeOutbound(HTTPServerResponsePart.end(nil))
    }

    private func sent() throws -> String {
        var text = ""
        while let bytes = try channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: bytes) }
        return text
    }

    @Test("A request that is not complete in its time is answered by 408, however many bytes it brings")
    func trickling() throws {
        send(Self.open)
        for _ in 0..<29 {
            pass(.seconds(1))
            send("x")
        }
        #expect(try sent() == "")
        pass(.seconds(1))
        let answer = try sent()
        #expect(answer.hasPrefix("HTTP/1.1 408 ") && answer.contains("Connection: close"))
        #expect(channel.isActive)
        pass(.seconds(2))
        #expect(!channel.isActive)
    }

    @Test("Each request has its own time, and none is needed between them")
    func ownTimes() throws {
        for _ in 0..<3 {
            pass(.seconds(50))
            send(Self.open)
            pass(.seconds(29))
            send(String(repeating: "x", count: 100))
            try answer()
        }
        #expect(try received() == ["/a", ".", "/a", ".", "/a", "."])
        #expect(channel.isActive)
    }

    @Test("Where an answer has begun there is no 408, only the end")
    func tooLateForAnAnswer() throws {
        send(Self.get + Self.open)
        pass(.seconds(31))
        #expect(try sent() == "")
        #expect(!channel.isActive)
    }

    @Test("Who does not read the answer is not waited for")
    func unreadAnswer() throws {
        send(Self.get)
        pass(Limits().answerTimeout)
        #expect(!channel.isActive)
    }

    @Test("An answer that takes as long as it takes is waited for; the next one has its time again")
    func openEnded() throws {
        send(Self.get)
        channel.pipeline.syncOperations.triggerUserOutboundEvent(OpenEndedAnswer(), promise: nil)
        pass(.seconds(600))
        #expect(channel.isActive)
        try answer()
        send(Self.get)
        pass(Limits().answerTimeout)
        #expect(!channel.isActive)
    }

    @Test("A connection on which no further request comes is closed")
    func idle() throws {
        send(Self.get)
        try answer()
        pass(.seconds(59))
        #expect(channel.isActive)
        pass(.seconds(1))
        #expect(!channel.isActive)
    }

    @Test("What is answered before its end is not read to the end")
    func early() throws {
        send(Self.open)
        #expect(try received() == ["/a"])
        try answer(.notFound)
        #expect(try sent().contains("connection: close"))
        send(String(repeating: "x", count: 100) + Self.get)
        #expect(try received() == [])
        pass(.seconds(2))
        #expect(!channel.isActive)
    }

    @Test("A refusal waits for the answers before it, and nothing comes after it")
    func order() throws {
        send(Self.get + Self.get + "GET /b HTTP/1.1\r\n\r\n" + Self.get)
        #expect(try received() == ["/a", ".", "/a", "."])
        try answer()
        #expect(!(try sent()).contains("400"))
        try answer()
        let text = try sent()
        #expect(text.hasPrefix("HTTP/1.1 200 "))
        #expect(text.matches(of: #/HTTP/1\.1 \d/#).count == 2)
        #expect(text.contains("HTTP/1.1 400 ") && text.contains("one Host header"))
    }

    @Test("A refused HEAD gets no body")
    func head() throws {
        send("HEAD /a HTTP/1.1\r\n\r\n")
        let answer = try sent()
        #expect(answer.hasPrefix("HTTP/1.1 400 ") && answer.hasSuffix("\r\n\r\n"))
    }

    @Test("A peer that goes on sending for ever is not listened to for ever")
    func endlessBody() throws {
        send("POST /a HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n")
        #expect(try sent().hasPrefix("HTTP/1.1 400 "))
        for _ in 0..<8 { send(String(repeating: "x", count: 1024 * 1024)) }
        #expect(channel.isActive)
        send("x")
        #expect(!channel.isActive)
    }

    @Test("Bytes that are no HTTP are answered in their turn, once")
    func garbage() throws {
        send(Self.get + "\u{1}\u{2}\r\n\r\n")
        #expect(try received() == ["/a", "."])
        #expect(try sent() == "")
        try answer()
        #expect(try sent().matches(of: #/HTTP/1\.1 (\d+)/#).map(\.1) == ["200", "400"])
    }

    @Test("An upgrade that is not served is ignored, and says that the connection ends", arguments: ["h2c", "TLS/1.0"])
    func otherUpgrades(_ name: String) throws {
        send("GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: \(name)\r\n\r\n" + Self.get)
        #expect(try received() == ["/a", "."])
        try answer()
        #expect(try sent().contains("connection: close"))
    }

    @Test("A handshake that comes late is sent to a connection of its own")
    func lateHandshake() throws {
        send(Self.get)
        try answer()
        _ = try sent()
        send(
            "GET http://x/ws?a=b HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        let answer = try sent()
        #expect(answer.hasPrefix("HTTP/1.1 307 ") && answer.contains("Location: /ws?a=b\r\n"))
    }

    @Test("Who waits to be told to send the body is told")
    func expectation() throws {
        send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n")
        #expect(try sent() == "HTTP/1.1 100 Continue\r\n\r\n")
        send("ab")
        #expect(try received() == ["/a", "."])
        try answer()
        #expect(try sent().hasPrefix("HTTP/1.1 200 "))
        #expect(channel.isActive)
    }

    @Test("A node that is being stopped takes no further request, and says so")
    func stopping() throws {
        send(Self.get)
        channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
        send(Self.get)
        #expect(try received() == ["/a", "."])
        try answer()
        #expect(try sent().contains("connection: close"))
    }
}

/// Keeps a channel open whose output is closed, as a socket's is; an embedded one closes altogether.
private final class HalfOpen: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    func close(context: ChannelHandlerContext, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        if mode == .output { promise?.succeed() } else { context.close(mode: mode, promise: promise) }
    }
}
