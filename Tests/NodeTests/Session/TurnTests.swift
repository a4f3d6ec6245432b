import BelfryModel
import NIOCore
import STOMP
import Testing
import WebSocketSupport

@testable import Node

/// One client shares its event loop with the others, whatever it sends and in whichever state its session is.
@Suite struct TurnTests {
    @Test func aTurnEndsByFramesOrByTime() {
        var turn = Turn()
        var frames = 1
        while turn.spend() { frames += 1 }
        #expect((1...Turn.framesMax).contains(frames))
        turn.reset()
        let goesOn = turn.spend()
        #expect(goesOn)
    }

    /// How many frames of a client were dealt with before the loop's clock moved, of `count` in one read.
    private func handledAtOnce(_ frame: [UInt8], count: Int, as user: String?) async throws -> Int {
        let handled = Counter()
        try await TestNode.with { node in
            let client = if let user { try await node.connect(as: user) } else { try await node.connect() }
            let before = client.received.count
            try await client.write(Array(repeating: frame, count: count).flatMap { $0 })
            try await client.read()
            handled.count = client.received.count - before
            // Nothing is lost by it: with time all are dealt with.
            for _ in 0..<(count / 16) { await node.loop.advanceTime(by: .milliseconds(1)) }
            let marker = ClientFrames.frame(.ping, Array("last".utf8))
            try await client.write(marker)
            _ = try await node.eventually("the last ping is answered") {
                try await client.read()
                return client.received.contains(.pong(Array("last".utf8))) ? true : nil
            }
        }
        return handled.count
    }

    private final class Counter { var count = 0 }

    @Test(arguments: ["alice", nil]) func pingsAreCounted(user: String?) async throws {
        let ping = ClientFrames.frame(.ping, [1])
        // Of many pings of one read the first few and the last are answered (RFC 6455, section 5.5.3).
        let answered = try await handledAtOnce(ping, count: 3_000, as: user)
        #expect((1...17).contains(answered))
    }

    @Test func framesInOneMessageAreCounted() async throws {
        try await TestNode.with { node in
            let client = try await node.connect(as: "alice")
            let before = client.frames.count
            // Each SUBSCRIBE and UNSUBSCRIBE is answered by receipts; all are in a few messages.
            let pair = (0..<400).map { number in
                "SUBSCRIBE\nid:\(number)\ndestination:/topic/t\nreceipt:s\(number)\n\n\0UNSUBSCRIBE\nid:\(number)\n\n\0"
            }
            for start in stride(from: 0, to: 400, by: 100) {
                try await client.send(pair[start..<(start + 100)].joined())
            }
            try await client.read()
            let atOnce = client.frames.count - before
            #expect(atOnce <= Turn.framesMax)
            _ = try await node.eventually("all are answered, each once and in order") {
                try await client.read()
                return client.frames.count - before == 400 ? true : nil
            }
            let receipts = client.frames.dropFirst(before).map { $0.headers["receipt-id"] ?? "" }
            #expect(receipts == (0..<400).map { "s\($0)" })
        }
    }

    // MARK: A peer that does not read

    /// Whether the node's one session is not read from.
    private func isPaused(_ node: TestNode) async throws -> Bool {
        let worker = node.worker
        return try await node.loop.executeInContext { worker.sessions.all.allSatisfy(\.isReadingPaused) }
    }

    @Test(arguments: ["alice", nil]) func pingsOfAPeerThatDoesNotReadFillNoMemory(user: String?) async throws {
        var limits = Limits()
        limits.outboundBytesMax = 256 * 1024
        try await TestNode.with(limits: limits) { node in
            let client = if let user { try await node.connect(as: user) } else { try await node.connect() }
            try await client.stopReading()
            let pings = Array(repeating: ClientFrames.frame(.ping, [UInt8](repeating: 7, count: 125)), count: 200)
                .flatMap { $0 }
            for _ in 0..<400 where client.channel.isActive {
                try await client.write(pings)
                await node.loop.advanceTime(by: .milliseconds(1))
            }
            let waiting = try await client.channel.getOption(.bufferedWritableBytes).get()
            #expect(waiting <= limits.outboundBytesMax / 2)
            #expect(try await isPaused(node), "who takes nothing is not read from")
            // It is closed in time: as a stranger, or as a slow consumer.
            try await node.tick(.seconds(31))
            try await node.tick(.seconds(62))
            #expect(try await node.sessions() == 0)
        }
    }

    @Test func whoReadsAgainIsReadFromAgain() async throws {
        try await TestNode.with { node in
            let client = try await node.connect()
            try await client.stopReading()
            let pings = Array(repeating: ClientFrames.frame(.ping, [UInt8](repeating: 7, count: 125)), count: 200)
                .flatMap { $0 }
            for _ in 0..<100 {
                try await client.write(pings)
                await node.loop.advanceTime(by: .milliseconds(1))
            }
            #expect(try await isPaused(node))
            try await client.readAgain()
            _ = try await node.eventually("it is read from") {
                try await client.read()
                return try await isPaused(node) ? nil : true
            }
            try await client.send("CONNECT\naccept-version:1.2\ntoken:alice\n\n\0")
            _ = try await client.frame(.connected)
        }
    }

    // MARK: Heart-beats

    /// 1,000 receipts are owed, so the node does not read: it cannot know whether the client is silent.
    @Test func whoIsNotReadFromIsNotBlamedForHisSilence() async throws {
        try await TestNode.with { node in
            let client = try await node.connect(as: "alice", heartBeat: "10000,0")
            try await client.subscribe("/topic/news")
            try await node.isOpen(.topic("news"))
            try await node.publish(9, to: .topic("news"))
            _ = try await client.frame(.message)
            // The store has no connection, so the mark of the first and no receipt behind it come to an end.
            for start in stride(from: 0, to: 1_100, by: 100) {
                try await client.send((start..<(start + 100)).map { "ACK\nid:1-9\nreceipt:r\($0)\n\n\0" }.joined())
                await node.loop.advanceTime(by: .milliseconds(1))
            }
            _ = try await node.eventually("it is not read from") {
                try await isPaused(node) ? true : nil
            }
            for minute in 1...5 { try await node.tick(.minutes(Int64(minute))) }
            #expect(try await node.sessions() == 1)
        }
    }

    @Test func whoIsReadFromIs() async throws {
        try await TestNode.with { node in
            _ = try await node.connect(as: "alice", heartBeat: "10000,0")
            try await node.tick(.seconds(21))
            #expect(try await node.sessions() == 0)
        }
    }
}
