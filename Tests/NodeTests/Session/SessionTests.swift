import BelfryModel
import NIOCore
import NIOWebSocket
import STOMP
import Testing
import WebSocket
import WebSocketSupport

@testable import Node

/// STOMP over WebSocket as a client sees it, without a database.
@Suite("A session over WebSocket")
struct SessionTests {
    private static let connect = "CONNECT\naccept-version:1.2\nhost:belfry\ntoken:alice\n\n\0"

    // MARK: CONNECT

    @Test("CONNECT is answered with CONNECTED, as a text message", arguments: ["CONNECT", "STOMP"])
    func handshake(_ command: String) async throws {
        try await TestNode.with { node in
            let client = try await node.connect()
            try await client.send("\(command)\naccept-version:1.1,1.2\ntoken:alice\nheart-beat:0,0\n\n\0")
            let connected = try await client.frame(.connected)
            #expect(connected.headers["version"] == "1.2")
            #expect(connected.headers["user-name"] == "alice")
            #expect(connected.headers["heart-beat"] == "10000,10000")
            #expect(connected.headers["session"]?.isEmpty == false)
            #expect(client.received.count == 1)
            guard case .text = client.received.first else {
                Issue.record("\(client.received)")
                return
            }
        }
    }

    @Test(
        "A token that is refused: ERROR, then Close with the reason's code",
        arguments: ["", "token:\n", "token:\u{7F}\n"])
    func refusedToken(_ header: String) async throws {
        try await TestNode.with { node in
            let client = try await node.connect()
            try await client.send("CONNECT\naccept-version:1.2\n\(header)\n\0")
            try await client.expectError(.unauthorized)
            #expect(try await node.sessions() == 0)
            #expect(node.context.occupancy.sessions == 0)
        }
    }

    /// Times long enough that a busy machine does not matter: the tests move time themselves.
    private static let slow: Limits = {
        var limits = Limits()
        limits.connectTimeout = .seconds(10_000)
        limits.heartBeatMilliseconds = 10_000_000
        return limits
    }()

    @Test("No CONNECT in time")
    func connectTimeout() async throws {
        try await TestNode.with(limits: Self.slow) { node in
            let client = try await node.connect()
            try await node.tick(.seconds(9_000))
            try await client.read()
            #expect(client.received.isEmpty)
            try await node.tick(.seconds(10_001))
            try await client.expectError(.connectTimeout)
        }
    }

    @Test("A user's sessions on a node are limited, and a place is free again when one ends")
    func sessionsOfUser() async throws {
        var limits = Limits()
        limits.sessionsPerUserMax = 2
        limits.closesOldestSession = false
        try await TestNode.with(limits: limits) { node in
            let first = try await node.connect(as: "alice")
            _ = try await node.connect(as: "alice")
            let third = try await node.connect()
            try await third.send(Self.connect)
            try await third.expectError(.tooManySessions)
            _ = try await node.connect(as: "bob")
            try await first.send("DISCONNECT\n\n\0")
            try await first.expectClose(.clientDisconnected)
            _ = try await node.connect(as: "alice")
            #expect(node.context.occupancy.sessions == 3)
        }
    }

    @Test("A full node says so and takes the next client once there is room")
    func overloaded() async throws {
        var limits = Limits()
        limits.sessionsMax = 1
        try await TestNode.with(limits: limits) { node in
            let first = try await node.connect()
            try await node.connect().expectError(.overloaded)
            try await first.vanish()
            #expect(node.context.occupancy.sessions == 0)
            _ = try await node.connect(as: "alice")
        }
    }

    // MARK: Frames and messages

    @Test("Several frames in one message, and what follows CONNECT waits for its answer")
    func severalFrames() async throws {
        try await TestNode.with { node in
            let client = try await node.connect()
            let disconnect = "DISCONNECT\nreceipt:bye\n\n\0"
            try await client.send("\n\(Self.connect)\n\n\r\n\(disconnect)\n")
            _ = try await client.frame(.connected)
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "bye")
            try await client.expectClose(.clientDisconnected)
        }
    }

    @Test("One frame over several messages, text and binary, cut anywhere")
    func splitFrames() async throws {
        try await TestNode.with { node in
            let bytes = Array("CONNECT\naccept-version:1.2\ntoken:zo\u{EB}\n\n\0".utf8)
            for cut in 1..<bytes.count {
                let client = try await node.connect()
                // Binary: a text message of its own may not end within a character.
                try await client.write(ClientFrames.frame(.binary, Array(bytes[..<cut])))
                try await client.write(ClientFrames.frame(.binary, Array(bytes[cut...])))
                #expect(try await client.frame(.connected).headers["user-name"] == "zo\u{EB}")
                try await client.vanish()
            }
        }
    }

    @Test("One frame over the fragments of one message, control frames in between, cut anywhere")
    func fragments() async throws {
        try await TestNode.with { node in
            let bytes = Array("CONNECT\naccept-version:1.2\ntoken:zo\u{EB}\n\n\0".utf8)
            for cut in 1..<bytes.count {
                let client = try await node.connect()
                try await client.write(
                    ClientFrames.frame(.text, Array(bytes[..<cut]), fin: false) + ClientFrames.frame(.ping, [7])
                        + ClientFrames.frame(.continuation, Array(bytes[cut...])))
                #expect(try await client.frame(.connected).headers["user-name"] == "zo\u{EB}")
                #expect(client.received.first == .pong([7]))
                try await client.vanish()
            }
        }
    }

    @Test("Bytes of a WebSocket frame may come one by one")
    func bytewise() async throws {
        try await TestNode.with { node in
            let client = try await node.connect()
            for byte in ClientFrames.frame(.text, Array(Self.connect.utf8)) { try await client.write([byte]) }
            _ = try await client.frame(.connected)
        }
    }

    @Test("A body that is UTF-8 goes out as text, any other as binary")
    func textAndBinary() async throws {
        try await TestNode.with { node in
            let client = try await node.connect(as: "alice")
            try await client.subscribe("/topic/news")
            try await node.isOpen(.topic("news"))
            try await node.publish(1, to: .topic("news"), body: Array("{\"a\":\"\u{20AC}\"}".utf8))
            try await node.publish(2, to: .topic("news"), body: [0x22, 0xFF, 0x22])
            try await node.publish(3, to: .topic("news"), headerLines: "x:\u{EB}\n")
            for id in 1...3 {
                let message = try await client.frame(.message)
                #expect(message.headers["message-id"] == String(id))
                #expect(message.headers["subscription"] == "0")
                #expect(message.headers["destination"] == "/topic/news")
                #expect(message.headers["content-type"] == "application/json")
            }
            #expect(client.frames[2].body == ByteBuffer(bytes: [0x22, 0xFF, 0x22]))
            #expect(client.frames[3].headers["x"] == "\u{EB}")
            guard client.received.count == 4, case .text = client.received[1], case .binary = client.received[2],
                case .text = client.received[3]
            else {
                Issue.record("\(client.received)")
                return
            }
        }
    }

    // MARK: The end of a session

    @Test("What the client does wrong, and the code it is told")
    func violations() async throws {
        var limits = Limits()
        limits.headerLineBytesMax = 1_024
        limits.webSocketMessageBytesMax = 4_096
        let longHeader = "SUBSCRIBE\nid:\(String(repeating: "x", count: 2_000))\n\n\0"
        let cases: [(bytes: [UInt8], reason: CloseReason)] = [
            (ClientFrames.frame(.text, Array("GARBAGE\n\n\0".utf8)), .protocolViolation),
            (ClientFrames.frame(.text, Array("ACK\nid:nonsense\n\n\0".utf8)), .protocolViolation),
            (ClientFrames.frame(.text, Array(longHeader.utf8)), .frameTooLarge),
            (ClientFrames.frame(.text, [0xC3, 0x28]), .invalidUTF8),
            (ClientFrames.frame(.binary, Array("SEND\nx:".utf8) + [0xFF] + Array("\n\n\0".utf8)), .invalidUTF8),
            (ClientFrames.frame(.continuation, [0x61]), .protocolViolation),
            (ClientFrames.frame(.text, [0x61], rsv1: true), .protocolViolation),
            (ClientFrames.frame(.text, Array("\n".utf8), isMasked: false), .protocolViolation),
            (ClientFrames.frame(.ping, [0x61], fin: false), .protocolViolation),
            (ClientFrames.frame(.ping, [UInt8](repeating: 0, count: 126)), .protocolViolation),
            (ClientFrames.frame(.connectionClose, [0x03]), .protocolViolation),
        ]
        try await TestNode.with(limits: limits) { node in
            for (bytes, reason) in cases {
                let client = try await node.connect(as: "alice")
                try await client.write(bytes)
                let error = try await client.frame(.error)
                #expect(error.headers["message"]?.isEmpty == false)
                #expect(try await client.close() == .close(code: reason.webSocketCode, reason: reason.text))
                #expect(client.received.last == .close(code: reason.webSocketCode, reason: reason.text))
                #expect(try await node.sessions() == 0)
                try await client.vanish()
            }
        }
    }

    @Test("A WebSocket frame over the limit")
    func tooLargeFrame() async throws {
        var limits = Limits()
        limits.webSocketMessageBytesMax = 1_024
        try await TestNode.with(limits: limits) { node in
            let client = try await node.connect(as: "alice")
            try await client.write(ClientFrames.frame(.text, [UInt8](repeating: 0x0A, count: 1_025)))
            _ = try await client.frame(.error)
            #expect(
                try await client.close()
                    == .close(code: CloseReason.frameTooLarge.webSocketCode, reason: CloseReason.frameTooLarge.text))
        }
    }

    @Test("DISCONNECT: Close 1000, after the RECEIPT if one was asked for", arguments: [true, false])
    func disconnect(wantsReceipt: Bool) async throws {
        try await TestNode.with { node in
            let client = try await node.connect(as: "alice")
            try await client.send("DISCONNECT\n\(wantsReceipt ? "receipt:77\n" : "")\n\0")
            if wantsReceipt { #expect(try await client.frame(.receipt).headers["receipt-id"] == "77") }
            try await client.expectClose(.clientDisconnected)
            #expect(try await node.sessions() == 0)
        }
    }

    @Test("A client's Close is answered with its code, and the session is over")
    func clientCloses() async throws {
        try await TestNode.with { node in
            let client = try await node.connect(as: "alice")
            try await client.answerClose(1001)
            #expect(try await client.close() == .close(code: 1001, reason: ""))
            try await client.closed()
            #expect(try await node.sessions() == 0)
            #expect(node.context.occupancy.sessions == 0)
        }
    }

    @Test("A client that vanishes leaves nothing behind")
    func vanishes() async throws {
        try await TestNode.with { node in
            let client = try await node.connect(as: "alice")
            try await client.subscribe("/topic/news")
            try await node.isOpen(.topic("news"))
            try await client.vanish()
            let worker = node.worker
            #expect(try await node.loop.executeInContext { worker.sessions.count == 0 })
            #expect(try await node.loop.executeInContext { Array(worker.feed.all).isEmpty })
            #expect(node.context.occupancy.sessions == 0)
        }
    }

    @Test("A peer that does not answer the Close is cut off after a while")
    func silentPeer() async throws {
        try await TestNode.with { node in
            let client = try await node.connect(as: "alice")
            try await client.send("DISCONNECT\n\n\0")
            _ = try await client.close()
            #expect(client.channel.isActive)
            await node.loop.advanceTime(by: WebSocketHandler.closeTimeout)
            #expect(!client.channel.isActive)
        }
    }

    @Test("After the Close nothing the peer sends has an effect")
    func afterClose() async throws {
        try await TestNode.with { node in
            let client = try await node.connect(as: "alice")
            try await client.send("GARBAGE\n\n\0")
            let close = try await client.close()
            try await client.subscribe("/topic/news")
            try await client.write(ClientFrames.frame(.ping, [1]))
            try await client.read()
            #expect(client.received.last == close)
        }
    }

    @Test("A node that stops tells its clients to come again")
    func shuttingDown() async throws {
        try await TestNode.with { node in
            let waiting = try await node.connect()
            let client = try await node.connect(as: "alice")
            for one in [waiting, client] {
                one.channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
                try await one.expectError(.shuttingDown)
            }
            #expect(try await node.sessions() == 0)
        }
    }

    // MARK: Ping and heart-beats

    @Test("A Ping is answered with its bytes, before CONNECT too")
    func ping() async throws {
        try await TestNode.with { node in
            let client = try await node.connect()
            for payload in [[], [1, 2, 3], [UInt8](repeating: 9, count: 125)] as [[UInt8]] {
                try await client.write(ClientFrames.frame(.ping, payload))
                try await client.read()
                #expect(client.received.last == .pong(payload))
            }
            try await client.write(ClientFrames.frame(.pong, [1]))
            try await client.read()
            #expect(client.received.count == 3)
        }
    }

    @Test("Of many Pings at once the first sixteen are answered, and the last")
    func manyPings() async throws {
        try await TestNode.with { node in
            let client = try await node.connect()
            // A few, which one turn of the event loop deals with, and many.
            for last: UInt8 in [16, 17, 18, 200] {
                try await client.write((0...last).flatMap { ClientFrames.frame(.ping, [$0]) })
                _ = try await node.eventually("the last one's answer") {
                    try await client.read()
                    return client.received.last == .pong([last]) ? true : nil
                }
            }
            #expect(client.received.prefix(16) == ((0..<16).map { .pong([$0]) })[...])
            #expect(client.received.count < 200)
        }
    }

    @Test("The node sends a heart-beat before the interval is over")
    func heartBeatOut() async throws {
        try await TestNode.with(limits: Self.slow) { node in
            let client = try await node.connect(as: "alice", heartBeat: "0,10000000")
            try await node.tick(.seconds(8_000))
            try await client.read()
            #expect(client.heartBeats == 0)
            try await node.tick(.seconds(9_500))
            try await client.read()
            #expect(client.heartBeats == 1)
            #expect(client.received.last == .text("\n"))
        }
    }

    @Test("A client that keeps its heart-beats stays; one that goes silent is dropped after twice its interval")
    func heartBeatIn() async throws {
        try await TestNode.with(limits: Self.slow) { node in
            let client = try await node.connect(as: "alice", heartBeat: "10000000,0")
            try await node.tick(.seconds(19_000))
            try await client.send("\n")
            try await client.write(ClientFrames.frame(.ping, []))
            try await node.tick(.seconds(19_000))
            try await client.read()
            #expect(client.frames.count == 1)
            #expect(client.channel.isActive)
            try await node.tick(.seconds(20_001))
            try await client.expectError(.heartBeatMissed)
        }
    }

    @Test("Who promised no heart-beats may be silent for ever")
    func noHeartBeat() async throws {
        try await TestNode.with { node in
            let client = try await node.connect(as: "alice", heartBeat: "0,0")
            try await node.tick(.hours(10))
            try await client.read()
            #expect(client.received.count == 1)
            #expect(client.channel.isActive)
        }
    }
}
