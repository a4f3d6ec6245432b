import Authentication
import BelfryModel
import Commands
import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import STOMP
import Testing

@testable import Node

/// A command that is refused is answered where its client hears answers, and its session goes on.
@Suite struct RefusedCommandTests {
    /// Refuses what it is asked for: `code sentence`.
    private struct Refuse: AppCommand {
        let name = "refuse"

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            let parts = String(buffer: request.body).split(separator: " ", maxSplits: 1).map(String.init)
            let codes: [String: CommandRefusal.Code] = ["invalid": .invalid, "forbidden": .forbidden]
            throw CommandRefusal(codes[parts[0]] ?? .unavailable, parts[1], underlying: CancellationError())
        }
    }

    /// Refuses when it is told to.
    private struct Slow: AppCommand {
        let name = "slow"
        let asked = NIOLockedValueBox(0)
        let mayEnd = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: Void.self)

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            asked.withLockedValue { $0 += 1 }
            try? await mayEnd.futureResult.get()
            throw CommandRefusal(.unavailable, "not now.")
        }
    }

    private static func with(
        limits: Limits = Limits(), commands: [any AppCommand] = [Refuse()],
        _ body: (TestNode, TestClient) async throws -> Void
    ) async throws {
        try await TestNode.with(limits: limits, commands: commands) { node in
            let client = try await node.connect(as: "alice")
            try await client.send("SUBSCRIBE\nid:7\ndestination:/user/queue/reply\n\n\0")
            try await body(node, client)
        }
    }

    private struct Answer: Decodable, Equatable {
        struct Fault: Decodable, Equatable { let code, message: String }
        let error: Fault
    }

    /// The next frame, which must be the answer to a refused request.
    private static func answer(_ correlation: String, _ client: TestClient) async throws -> Answer.Fault {
        let frame = try await client.frame(.message)
        #expect(frame.headers["correlation-id"] == correlation && frame.headers["subscription"] == "7")
        #expect(frame.headers["destination"] == "/user/queue/reply" && frame.headers["ack"] == nil)
        let fault = try JSONDecoder().decode(Answer.self, from: Data(frame.body.readableBytesView)).error
        #expect(frame.headers["error"] == fault.code)
        return fault
    }

    @Test(arguments: ["invalid", "forbidden", "unavailable"])
    func itIsAnsweredWithoutAReceiptAndTheSessionGoesOn(_ code: String) async throws {
        try await Self.with { node, client in
            let sentence = "\"/it\" is\nnot \u{1} yours \\ 日本"
            try await client.send(
                "SEND\ndestination:/app/refuse\ncorrelation-id:c\\n1\nreceipt:r\n\n\(code) \(sentence)\0")
            let fault = try await Self.answer("c\n1", client)
            #expect(fault == .init(code: code, message: sentence))
            try await client.send("SUBSCRIBE\nid:8\ndestination:/user/queue/reply\nreceipt:after\n\n\0")
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "after", "and no other receipt")
        }
    }

    @Test(arguments: [
        ("/app/other", "x", "there is no command '/app/other' here."),
        ("/app/ack", "x", "the body must be the message-id of a MESSAGE, such as 42."),
    ])
    func soIsWhatIsNotBegun(_ destination: String, _ body: String, _ sentence: String) async throws {
        try await Self.with { node, client in
            try await client.send("SEND\ndestination:\(destination)\ncorrelation-id:c\nreceipt:r\n\n\(body)\0")
            #expect(try await Self.answer("c", client) == .init(code: "invalid", message: sentence))
            #expect(try await node.sessions() == 1)
        }
    }

    /// Whoever could not tell whose answer it is, or hears none, is told by the session's end.
    @Test(arguments: [("", true), ("correlation-id:c\n", false)])
    func withoutCorrelationOrSubscriptionTheSessionEnds(_ header: String, _ isSubscribed: Bool) async throws {
        try await Self.with { node, client in
            if !isSubscribed { try await client.send("UNSUBSCRIBE\nid:7\n\n\0") }
            try await client.send("SEND\ndestination:/app/refuse\n\(header)receipt:r\n\nforbidden no.\0")
            let error = try await client.frame(.error)
            #expect(error.headers["receipt-id"] == "r" && String(buffer: error.body) == "SEND: no.\n")
            let reason = CloseReason.forbidden
            #expect(try await client.close() == .close(code: reason.webSocketCode, reason: reason.text))
        }
    }

    /// A refused token is no answer: what the session may do is in doubt.
    @Test func aRefusedTokenEndsTheSession() async throws {
        try await Self.with { node, client in
            try await client.send("SEND\ndestination:/app/auth.refresh\ncorrelation-id:c\ntoken:mallory\n\n\0")
            _ = try await client.frame(.error)
        }
    }

    @Test func disconnectBehindItHasItsReceipt() async throws {
        try await Self.with { _, client in
            try await client.send("SEND\ndestination:/app/refuse\ncorrelation-id:c\n\ninvalid no.\0")
            _ = try await Self.answer("c", client)
            try await client.send("DISCONNECT\nreceipt:bye\n\n\0")
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "bye")
        }
    }

    /// Behind DISCONNECT nothing is answered any more, so its receipt would say that the command was carried out.
    @Test func disconnectBeforeItsAnswerHasNone() async throws {
        let slow = Slow()
        try await Self.with(commands: [slow]) { node, client in
            try await client.send(
                "SEND\ndestination:/app/slow\ncorrelation-id:c\n\n\0DISCONNECT\nreceipt:bye\n\n\0")
            _ = try await node.eventually("it is under way") { slow.asked.withLockedValue { $0 == 1 ? true : nil } }
            slow.mayEnd.succeed()
            let reason = CloseReason.clientDisconnected
            #expect(try await client.close() == .close(code: reason.webSocketCode, reason: reason.text))
            #expect(client.frames.count == 1, "CONNECTED")
        }
    }

    // MARK: Bounds

    @Test func noMoreAreUnderWayThanReceiptsMayBeOwed() async throws {
        var limits = Limits()
        limits.receiptsOwedMax = 4
        let slow = Slow()
        try await Self.with(limits: limits, commands: [slow]) { node, client in
            for number in 0..<10 {
                try await client.send("SEND\ndestination:/app/slow\ncorrelation-id:\(number)\n\n\0")
            }
            for _ in 0..<20 { await node.loop.advanceTime(by: .milliseconds(10)) }
            #expect(slow.asked.withLockedValue { $0 } <= 4)
            slow.mayEnd.succeed()
            var answered: Set<String> = []
            for _ in 0..<10 { answered.insert(try await client.frame(.message).headers["correlation-id"] ?? "") }
            #expect(answered == Set((0..<10).map(String.init)))
        }
    }

    @Test func whoDoesNotReadAnswersIsNotReadFrom() async throws {
        var limits = Limits()
        limits.outboundBytesMax = 200_000
        try await Self.with(limits: limits) { node, client in
            try await client.stopReading()
            let command = "SEND\ndestination:/app/nothing\ncorrelation-id:c\n\n\0"
            for _ in 0..<40 {
                try await client.send(String(repeating: command, count: 50))
                for _ in 0..<10 { await node.loop.advanceTime(by: .milliseconds(1)) }
            }
            let worker = node.worker
            #expect(try await node.loop.executeInContext { worker.sessions.all.allSatisfy(\.isReadingPaused) })
            let waiting = try await client.channel.getOption(.bufferedWritableBytes).get()
            #expect((10_000..<100_000).contains(waiting), "a quarter, in buffers of up to twice their bytes")
            try await client.readAgain()
            for _ in 0..<2_000 { _ = try await client.frame(.message) }
            #expect(try await node.sessions() == 1)
        }
    }
}
