import Authentication
import BelfryModel
import Commands
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import STOMP
import Testing
import WebSocket

@testable import Node

/// A SEND to `/app/<name>` runs the command of that name.
@Suite struct CommandTests {
    /// Notes who asked for what, and does as the body says.
    private struct Echo: AppCommand {
        let name = "echo"
        let asked = NIOLockedValueBox<[String]>([])

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            let body = String(buffer: request.body)
            asked.withLockedValue { $0.append("\(identity.user): \(body) \(request.headers["k"] ?? "")") }
            switch body {
            case "forbidden": throw CommandRefusal(.forbidden, "that is not yours.")
            case "invalid": throw CommandRefusal(.invalid, "the body must be something else.")
            case "unavailable": throw CommandRefusal(.unavailable, "PostgreSQL is away.")
            case "answer": return CommandReply(json: "{\"a\":1}")
            default: return nil
            }
        }
    }

    /// Is of no use without its answer.
    private struct Question: AppCommand {
        let name = "question"
        let isQuestion = true

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            CommandReply(json: "[]")
        }
    }

    private static func send(_ body: String, to destination: String = "/app/echo", by client: TestClient) async throws {
        try await client.send("SEND\ndestination:\(destination)\nk:v\nreceipt:r\n\n\(body)\0")
    }

    @Test func itRunsForTheUserAndItsReceiptComesWhenItIsDone() async throws {
        let echo = Echo()
        try await TestNode.with(commands: [echo]) { node in
            let client = try await node.connect(as: "alice")
            try await Self.send("hello", by: client)
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "r")
            #expect(echo.asked.withLockedValue { $0 } == ["alice: hello v"])
        }
    }

    @Test(arguments: [
        ("forbidden", CloseReason.forbidden), ("invalid", .protocolViolation), ("unavailable", .internalError),
    ])
    func whatIsRefusedEndsTheSession(_ body: String, _ reason: CloseReason) async throws {
        try await TestNode.with(commands: [Echo()]) { node in
            let client = try await node.connect(as: "alice")
            try await Self.send(body, by: client)
            let error = try await client.frame(.error)
            #expect(error.headers["message"] == "The command was refused.")
            #expect(error.headers["receipt-id"] == "r")
            #expect(String(buffer: error.body).hasPrefix("SEND: "))
            #expect(try await client.close() == .close(code: reason.webSocketCode, reason: reason.text))
        }
    }

    @Test(arguments: ["/app/other", "/app/", "/app/echo/x"])
    func whatNobodyServesIsRefused(_ destination: String) async throws {
        let echo = Echo()
        try await TestNode.with(commands: [echo]) { node in
            let client = try await node.connect(as: "alice")
            try await Self.send("hello", to: destination, by: client)
            let error = try await client.frame(.error)
            #expect(error.headers["message"] == "The command is not served.")
            #expect(echo.asked.withLockedValue { $0 }.isEmpty)
        }
    }

    @Test func itIsAnsweredWhereRepliesGo() async throws {
        try await TestNode.with(commands: [Echo(), Question()]) { node in
            let client = try await node.connect(as: "alice")
            try await client.send("SUBSCRIBE\nid:7\ndestination:/user/queue/reply\nreceipt:s\n\n\0")
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "s")
            try await client.send(
                "SEND\ndestination:/app/echo\ncorrelation-id:c1\nreceipt:r\n\nanswer\0"
                    + "SEND\ndestination:/app/question\n\n\0")
            let first = try await client.frame(.message)
            #expect(String(buffer: first.body) == "{\"a\":1}")
            #expect(first.headers["subscription"] == "7" && first.headers["correlation-id"] == "c1")
            #expect(first.headers["destination"] == "/user/queue/reply" && first.headers["ack"] == nil)
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "r", "behind the answer")
            let second = try await client.frame(.message)
            #expect(String(buffer: second.body) == "[]" && second.headers["correlation-id"] == nil)
            #expect(first.headers["message-id"] != second.headers["message-id"])
            #expect(try await node.sessions() == 1, "a message's queue was not subscribed to")
        }
    }

    @Test func aQuestionNeedsAPlaceForItsAnswerAndOthersDoNot() async throws {
        try await TestNode.with(commands: [Echo(), Question()]) { node in
            let client = try await node.connect(as: "alice")
            try await Self.send("answer", by: client)
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "r")
            try await client.send(
                "SUBSCRIBE\nid:7\ndestination:/user/queue/reply\n\n\0UNSUBSCRIBE\nid:7\nreceipt:u\n\n\0")
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "u")
            try await Self.send("", to: "/app/question", by: client)
            let error = try await client.frame(.error)
            #expect(String(buffer: error.body).contains("SUBSCRIBE to /user/queue/reply first"))
        }
    }

    /// STOMP 1.2, DISCONNECT: its receipt says that everything before it was done.
    @Test func disconnectWaitsForIt() async throws {
        let slow = Slow()
        try await TestNode.with(commands: [slow]) { node in
            let client = try await node.connect(as: "alice")
            try await client.send("SEND\ndestination:/app/slow\nreceipt:one\n\n\0DISCONNECT\nreceipt:two\n\n\0")
            for _ in 0..<20 { await node.loop.advanceTime(by: .milliseconds(10)) }
            try await client.read()
            #expect(client.frames.count == 1, "CONNECTED and nothing else")
            slow.mayEnd.succeed()
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "one")
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "two")
        }
    }

    /// What was carried out is receipted; DISCONNECT is not, as something before it was not done.
    @Test func disconnectBehindOneThatFails() async throws {
        let (slow, echo) = (Slow(), Echo())
        try await TestNode.with(commands: [slow, echo]) { node in
            let client = try await node.connect(as: "alice")
            try await client.send("SEND\ndestination:/app/slow\nreceipt:one\n\n\0")
            try await client.send(
                "SEND\ndestination:/app/echo\nreceipt:two\n\nforbidden\0DISCONNECT\nreceipt:three\n\n\0")
            _ = try await node.eventually("the second has failed") {
                echo.asked.withLockedValue { $0.count } == 1 ? true : nil
            }
            for _ in 0..<20 { await node.loop.advanceTime(by: .milliseconds(10)) }
            slow.mayEnd.succeed()
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "one")
            let reason = CloseReason.clientDisconnected
            #expect(try await client.close() == .close(code: reason.webSocketCode, reason: reason.text))
            #expect(!client.frames.contains { $0.headers["receipt-id"] == "three" })
        }
    }

    @Test func oneOfATransactionIsRefused() async throws {
        let echo = Echo()
        try await TestNode.with(commands: [echo]) { node in
            let client = try await node.connect(as: "alice")
            try await client.send(
                "BEGIN\ntransaction:1\n\n\0SEND\ndestination:/app/echo\ntransaction:1\n\nhello\0"
                    + "COMMIT\ntransaction:1\nreceipt:c\n\n\0")
            let error = try await client.frame(.error)
            #expect(String(buffer: error.body).contains("can't be of a transaction"))
            #expect(error.headers["receipt-id"] == "c")
            #expect(echo.asked.withLockedValue { $0 }.isEmpty)
        }
    }

    /// Ends when it is told to.
    private struct Slow: AppCommand {
        let name = "slow"
        let mayEnd = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: Void.self)

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            do {
                try await mayEnd.futureResult.get()
                return nil
            } catch {
                throw CommandRefusal(.unavailable, "\(error)")
            }
        }
    }

    /// Answers that come when the client has gone reach nobody, and hurt nobody.
    @Test func aClientThatHasGoneMeanwhile() async throws {
        try await TestNode.with(commands: [Echo()]) { node in
            let client = try await node.connect(as: "alice")
            try await Self.send("forbidden", by: client)
            try await client.vanish()
            _ = try await node.eventually("it has ended") { try await node.sessions() == 0 ? true : nil }
            let other = try await node.connect(as: "alice")
            try await Self.send("hello", by: other)
            _ = try await other.frame(.receipt)
        }
    }
}
