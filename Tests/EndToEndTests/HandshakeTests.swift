import BelfryModel
import Foundation
import NIOCore
import STOMP
import TestBasics
import TestSupport
import Testing
import WebSocket

#if canImport(FoundationNetworking)
    import FoundationNetworking
#endif

@Suite struct HandshakeTests {
    @Test func anOfferedSubprotocolIsAnsweredAndNoneIsAccepted() async throws {
        try await Installation.with { belfry in
            let offered = try await WebSocketClient.connect(
                port: belfry.port, subprotocols: ["v11.stomp", "v12.stomp"])
            #expect(offered.subprotocol == "v12.stomp")
            let silent = try await WebSocketClient.connect(port: belfry.port)
            #expect(silent.subprotocol == nil)
            await offered.abort()
            await silent.abort()
        }
    }

    /// A wrong path is told so, as plain HTTP; both as a connection's first request and as a later one.
    @Test func aWrongPathIsAnswered() async throws {
        try await Installation.with { belfry in
            let answer = try await RawHTTP.exchange(
                port: belfry.port,
                "GET /elsewhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 404"))
            #expect(answer.contains("connect to /ws"))
            let late = try await RawHTTP.exchange(
                port: belfry.port,
                "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
                    + "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            #expect(late.contains("HTTP/1.1 307"))
        }
    }

    @Test func bytesThatAreNoHTTPEndTheConnectionOnly() async throws {
        try await Installation.with { belfry in
            _ = try await RawHTTP.exchange(port: belfry.port, "\u{0}\u{1}garbage\r\n\r\n")
            _ = try await RawHTTP.exchange(port: belfry.port, "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
        }
    }

    /// RFC 6455, section 7.1.7: after a frame that breaks the protocol TCP is closed, and the peer's Close is not
    /// waited for.
    @Test func aBrokenFrameEndsTheConnectionAtOnce() async throws {
        try await Installation.with { belfry in
            let start = ContinuousClock.now
            let answer = try await RawHTTP.exchange(
                port: belfry.port,
                "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                    + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\u{3}\u{0}",
                within: .seconds(20))
            // As long as the peer's Close was waited for.
            #expect(start.duration(to: .now) < .seconds(4))
            #expect(answer.hasPrefix("HTTP/1.1 101"))
            #expect(answer.contains(CloseReason.protocolViolation.text))
        }
    }

    @Test func framesMaySpanMessagesAndShareOne() async throws {
        try await Installation.with { belfry in
            let socket = try await WebSocketClient.connect(port: belfry.port)
            let client = STOMPClient(socket)
            let connect = "CONNECT\naccept-version:1.2\nhost:x\ntoken:alice\n\n\0"
            for byte in connect.utf8 { try await socket.send(ByteBuffer(bytes: [byte]), opcode: .binary) }
            #expect(try await client.next("CONNECTED").command == .connected)
            let several =
                "\n\nSUBSCRIBE\nid:a\ndestination:/user/queue/msg\nreceipt:1\n\n\0\n"
                + "SUBSCRIBE\nid:b\ndestination:/topic/t\nreceipt:2\n\n\0"
            try await socket.send(ByteBuffer(string: several))
            _ = try await client.nextReceipt("1")
            _ = try await client.nextReceipt("2")
        }
    }

    @Test func anErrorIsFollowedByACloseWithItsCode() async throws {
        try await Installation.with { belfry in
            let client = try await belfry.connect("alice")
            try await client.send(Frame(.subscribe, ["id": "1", "destination": "/queue/x", "receipt": "r"]))
            let error = try await client.next("ERROR")
            #expect(error.command == .error)
            #expect(error.headers["receipt-id"] == "r")
            #expect(error.text.contains("/user/queue/<name>"))
            #expect(try await client.ended() == CloseReason.protocolViolation.webSocketCode)
        }
    }

    @Test func textThatIsNotUTF8ClosesWith1007() async throws {
        try await Installation.with { belfry in
            let socket = try await WebSocketClient.connect(port: belfry.port)
            try await socket.send(ByteBuffer(bytes: [0x43, 0xFF, 0xFE]), opcode: .text)
            #expect(try await STOMPClient(socket).ended() == 1007)
        }
    }

    @Test func aSilentClientIsDroppedAfterTwiceItsInterval() async throws {
        var limits = Limits()
        limits.heartBeatMilliseconds = 300
        try await Installation.with(limits: limits) { belfry in
            let alice = try await belfry.connect("alice", heartBeat: "300,300")
            #expect(try await alice.ended(within: .seconds(5)) == CloseReason.heartBeatMissed.webSocketCode)
            #expect(alice.heartBeats > 0)
        }
    }

    @Test func withoutConnectTheSocketIsClosed() async throws {
        var limits = Limits()
        limits.connectTimeout = .milliseconds(300)
        try await Installation.with(limits: limits) { belfry in
            let socket = try await WebSocketClient.connect(port: belfry.port)
            #expect(try await STOMPClient(socket).ended() == CloseReason.connectTimeout.webSocketCode)
        }
    }

    @Test func oneSessionTooManyIsRefusedWhereTheOldestIsToStay() async throws {
        var limits = Limits()
        limits.sessionsPerUserMax = 2
        limits.closesOldestSession = false
        try await Installation.with(limits: limits) { belfry in
            let first = try await belfry.connect("alice")
            let second = try await belfry.connect("alice")
            await #expect(throws: NotInTime.self) { try await belfry.connect("alice") }
            try await second.disconnect()
            try await eventually("the place is free") { (try? await belfry.connect("alice")) != nil }
            try await first.disconnect()
        }
    }

    @Test func oneSessionTooManyClosesTheOldest() async throws {
        var limits = Limits()
        limits.sessionsPerUserMax = 2
        try await Installation.with(limits: limits) { belfry in
            // Which is older is told apart once it is on the books.
            let onTheBooks = { (count: Int) in
                try await eventually("\(count) sessions are on the books") {
                    try await belfry.application.value("select count(*) from belfry.presence") == "\(count)"
                }
            }
            let first = try await belfry.connect("alice")
            try await onTheBooks(1)
            let second = try await belfry.connect("alice")
            try await onTheBooks(2)
            let third = try await belfry.connect("alice")
            #expect(try await first.ended() == CloseReason.tooManySessions.webSocketCode)
            for client in [second, third] { try await client.disconnect() }
        }
    }

    @Test func bytesThatAreNoHTTPAreAnsweredByBadRequest() async throws {
        try await Installation.with { belfry in
            let answer = try await RawHTTP.exchange(port: belfry.port, "\u{16}\u{3}\u{1} no HTTP\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 400"))
        }
    }

    @Test func aHeadRequestIsAnswered() async throws {
        try await Installation.with { belfry in
            let answer = try await RawHTTP.exchange(
                port: belfry.port, "HEAD /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            #expect(answer.hasPrefix("HTTP/1.1 200"))
        }
    }

    /// Thousands of frames in one message: every one is dealt with, in its order.
    @Test func aFloodOfFramesIsDealtWithInTurns() async throws {
        try await Installation.with { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            let frames = (1...3_000).map { "ACK\nid:1-\($0)\nreceipt:r\($0)\n\n\0" }
            for start in stride(from: 0, to: 3_000, by: 1_500) {
                try await alice.socket.send(ByteBuffer(string: frames[start..<(start + 1_500)].joined()))
            }
            _ = try await alice.nextReceipt("r3000")
            let receipts = alice.takeFrames().compactMap { $0.headers["receipt-id"] }
            #expect(receipts == (1..<3_000).map { "r\($0)" })
        }
    }
}
