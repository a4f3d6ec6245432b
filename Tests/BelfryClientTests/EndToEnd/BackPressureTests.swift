import BelfryModel
import TestBasics
import TestSupport
import Testing

@testable import BelfryClient

/// A program that stands still while the server sends.
@Suite(.timeLimit(.minutes(2))) struct BackPressureTests {
    private static let count = 6_000
    /// Each about a kilobyte.
    private static let many = """
        insert into belfry.message_log (%@, type, data)
        select '%@', 'JSON_MSG', jsonb_build_object('n', n, 'pad', repeat('x', 900)) from generate_series(1, 6000) n
        """

    private func insert(_ column: String, _ name: String, _ belfry: Installation) async throws {
        try await belfry.application.run(
            Self.many.replacing("%@", with: column, maxReplacements: 1).replacing("%@", with: name, maxReplacements: 1))
    }

    /// Without acknowledgements nothing but the socket stops the server.
    @Test func theSocketIsNotReadAndNothingIsLost() async throws {
        var limits = Limits()
        // What waits in the node is not what this is about.
        limits.outboundBytesMax = 64 * 1024 * 1024
        try await Installation.with(limits: limits) { belfry in
            try await belfry.withClient(of: "alice") {
                $0.bufferedMessagesMax = 100
            } _: { client in
                var messages = client.messages("/topic/news").makeAsyncIterator()
                try await messages.subscribed()
                try await insert("topic", "news", belfry)
                try await eventually("the buffer is full, and the socket is not read") { !client.core.budget.mayRead }
                // All of it is on its way by then, and no more is here than what the last read brought.
                try await eventually("all are published") {
                    try await belfry.application.value("select count(*) from belfry.outbox where published_at is null")
                        == "0"
                }
                let full = client.core.budget.waiting
                #expect(full.messages > 100 && full.messages < 300, "\(full)")
                #expect(full.bytes < 300 * 1_500)

                let taken = try await messages.next(Self.count)
                #expect(taken.map { $0.json["n"] } == (1...Self.count).map { .integer(Int64($0)) })
                #expect(client.core.budget.waiting.messages == 0 && client.core.budget.waiting.bytes == 0)
            }
        }
    }

    @Test func bytesAreBoundedToo() async throws {
        try await Installation.with { belfry in
            try await belfry.withClient(of: "alice") {
                $0.bufferedBytesMax = 50_000
            } _: { client in
                var messages = client.messages("/topic/news").makeAsyncIterator()
                try await messages.subscribed()
                try await insert("topic", "news", belfry)
                try await eventually("the buffer is full") { !client.core.budget.mayRead }
                #expect(client.core.budget.waiting.bytes < 200_000)
                _ = try await messages.next(10)
            }
        }
    }

    /// With acknowledgements the window stops the server before the socket has to.
    @Test func aWindowThatIsNotAcknowledgedIsAllThatWaits() async throws {
        try await Installation.with { belfry in
            try await insert("receiver", "alice", belfry)
            try await belfry.withClient(of: "alice") {
                $0.bufferedMessagesMax = 100
            } _: { client in
                var messages = client.messages().makeAsyncIterator()
                try await eventually("a window is there") { client.core.budget.waiting.messages == 100 }
                // The socket is read, and answers come.
                #expect(client.core.budget.mayRead)
                #expect(try await client.unread().unviewed == 1_000)
                #expect(client.core.budget.waiting.messages == 100)
                var numbers: [JSONValue] = []
                while numbers.count < Self.count, let message = try await messages.next() {
                    numbers.append(message.json["n"])
                    message.ack()
                }
                #expect(numbers == (1...Self.count).map { .integer(Int64($0)) })
            }
        }
    }

    /// The task that takes the messages may ask the server something while its buffer is full.
    @Test func anAnswerComesThroughAFullBuffer() async throws {
        try await Installation.with { belfry in
            try await belfry.withClient(of: "alice") {
                $0.bufferedMessagesMax = 10
                $0.requestTimeout = .seconds(10)
            } _: { client in
                var messages = client.messages("/topic/news").makeAsyncIterator()
                try await messages.subscribed()
                for number in 1...30 { try await belfry.application.broadcast("news", "\(number)") }
                try await eventually("the buffer is full") { !client.core.budget.mayRead }
                #expect(try await client.unread().unviewed == 0)
                let taken = try await messages.next(30)
                #expect(taken.map(\.json) == (1...30).map { .integer($0) })
            }
        }
    }

    /// The server wants a sign of life every second, and the program stands still for longer.
    @Test func heartBeatsGoOutWhileTheProgramStandsStill() async throws {
        var limits = Limits()
        limits.heartBeatMilliseconds = 1_000
        limits.outboundBytesMax = 64 * 1024 * 1024
        try await Installation.with(limits: limits) { belfry in
            try await belfry.withClient(of: "alice") {
                $0.bufferedMessagesMax = 10
                $0.heartBeat = .seconds(1)
            } _: { client in
                var messages = client.messages("/topic/news").makeAsyncIterator()
                try await messages.subscribed()
                try await insert("topic", "news", belfry)
                try await eventually("the buffer is full") { !client.core.budget.mayRead }
                var states = client.states.makeAsyncIterator()
                _ = await states.next()
                // It is time itself that this is about.
                try await Task.sleep(for: .seconds(5))
                let taken = try await messages.next(Self.count)
                #expect(taken.map { $0.json["n"] } == (1...Self.count).map { .integer(Int64($0)) })
                let later = client.states
                guard case .connected? = await later.first(where: { _ in true }) else {
                    Issue.record("the connection was lost")
                    return
                }
                let made = try await client.core.eventLoop.submit { client.core.connectionsMade }.get()
                if made > 1, let state = await states.next() { Issue.record("the connection was lost: \(state)") }
            }
        }
    }
}
