import BelfryModel
import NIOCore
import STOMP
import Testing
import WebSocket

@testable import Node

/// Promise 7: every queue is bounded, a slow client is closed with its own reason, and the others do not notice.
@Suite("A client that does not read")
struct SlowClientTests {
    private static let limits: Limits = {
        var limits = Limits()
        limits.outboundBytesMax = 20_000
        return limits
    }()
    private static let body = [UInt8](repeating: 0x20, count: 1_000)

    private static func subscribed(_ user: String, on node: TestNode) async throws -> TestClient {
        let client = try await node.connect(as: user)
        try await client.subscribe("/topic/news", ack: "auto")
        try await node.isOpen(.topic("news"))
        return client
    }

    @Test("Over the limit it is closed; ERROR and Close wait behind what was written, and a fast one gets everything")
    func overLimit() async throws {
        try await TestNode.with(limits: Self.limits) { node in
            let slow = try await Self.subscribed("alice", on: node)
            let fast = try await Self.subscribed("bob", on: node)
            try await slow.stopReading()
            var published: Int64 = 0
            while try await node.sessions() == 2, published < 100 {
                published += 1
                try await node.publish(published, to: .topic("news"), body: Self.body)
            }
            // Some 9 messages of a good 1,000 bytes, each in a buffer of twice that, fill the limit; the one over it is
            // the last.
            #expect((7...10).contains(published))
            #expect(slow.channel.isActive)
            try await slow.read()
            #expect(slow.received.count == 1, "nothing has left yet")

            try await slow.readAgain()
            try await slow.read()
            #expect(slow.frames.count == 2 + Int(published))
            #expect(slow.frames.dropFirst().prefix(Int(published)).allSatisfy { $0.command == .message })
            #expect(slow.frames.last?.command == .error)
            #expect(slow.frames.last?.headers["message"] == CloseReason.slowConsumer.text)
            let close = try await slow.close()
            #expect(close == .close(code: 4008, reason: CloseReason.slowConsumer.text))
            #expect(slow.received.last == close)
            try await slow.answerClose(4008)
            try await slow.closed()

            try await node.publish(1_000, to: .topic("news"), body: Self.body)
            for _ in 0...published { _ = try await fast.frame(.message) }
            #expect(fast.frames.last?.headers["message-id"] == "1000")
        }
    }

    @Test("If it never reads again it is cut off")
    func neverReads() async throws {
        try await TestNode.with(limits: Self.limits) { node in
            let slow = try await Self.subscribed("alice", on: node)
            try await slow.stopReading()
            for id in 1...30 { try await node.publish(Int64(id), to: .topic("news"), body: Self.body) }
            #expect(try await node.sessions() == 0)
            #expect(slow.channel.isActive)
            await node.loop.advanceTime(by: WebSocketHandler.closeTimeout)
            #expect(!slow.channel.isActive)
        }
    }

    @Test("Over a quarter of the limit it has half a minute")
    func overQuarter() async throws {
        try await TestNode.with(limits: Self.limits) { node in
            let slow = try await Self.subscribed("alice", on: node)
            try await slow.stopReading()
            for id in 1...8 { try await node.publish(Int64(id), to: .topic("news"), body: Self.body) }
            try await node.tick(.seconds(10))
            #expect(try await node.sessions() == 1)
            try await node.tick(.seconds(31))
            #expect(try await node.sessions() == 0)
            try await slow.readAgain()
            _ = try await slow.close()
            #expect(slow.frames.last?.headers["message"] == CloseReason.slowConsumer.text)
        }
    }

    @Test("One that catches up in time stays")
    func catchesUp() async throws {
        try await TestNode.with(limits: Self.limits) { node in
            let slow = try await Self.subscribed("alice", on: node)
            for round in 0..<5 {
                try await slow.stopReading()
                for id in 1...8 {
                    try await node.publish(Int64(round * 8 + id), to: .topic("news"), body: Self.body)
                }
                try await slow.readAgain()
                try await node.tick(.seconds(31))
            }
            for id in 1...40 {
                #expect(try await slow.frame(.message).headers["message-id"] == String(id))
            }
            #expect(try await node.sessions() == 1)
        }
    }

    @Test("One that goes away while it is not read from, as it has not taken what waits, leaves nothing behind")
    func goneWhilePaused() async throws {
        try await TestNode.with(limits: Self.limits) { node in
            let slow = try await Self.subscribed("alice", on: node)
            try await slow.stopReading()
            for number: Int64 in 1...8 { try await node.publish(number, to: .topic("news"), body: Self.body) }
            let worker = node.worker
            #expect(try await node.loop.executeInContext { worker.sessions.all.allSatisfy(\.isReadingPaused) })
            try await slow.vanish()
            _ = try await node.eventually("its session has ended") { try await node.sessions() == 0 ? true : nil }
            #expect(node.context.occupancy.sessions == 0)
        }
    }
}
