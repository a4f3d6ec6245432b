import BelfryClient
import BelfryModel
import Foundation
import TestBasics
import TestSupport
import Testing

/// A program with a client, against a whole Belfry.
@Suite(.timeLimit(.minutes(2))) struct MessageDeliveryTests {
    @Test func aMessageArrivesAndIsAcknowledged() async throws {
        try await Installation.with { belfry in
            try await belfry.withClient(of: "alice") { client in
                let id = try await belfry.application.notify("alice", #"{"order": 7}"#)
                for try await message in client.messages() {
                    #expect(message.id == "\(id)")
                    #expect(message.type == "JSON_MSG")
                    #expect(message.json == ["order": 7])
                    #expect(message.destination == "/user/queue/msg")
                    #expect(message.headers["content-type"] == "application/json")
                    let notification = try #require(message.notification)
                    #expect(notification.receiver == "alice" && notification.topic == nil)
                    #expect(abs(notification.createdAt.timeIntervalSinceNow) < 60)
                    #expect(!message.isRedelivered && !notification.isViewed && notification.isSeen == nil)
                    #expect(try await belfry.application.status(id) == "pending")
                    try await message.acknowledge()
                    #expect(try await belfry.application.status(id) == "delivered")
                    break
                }
            }
        }
    }

    /// More than the window, some of it while it is read: all of it in order, once.
    @Test(arguments: [AckMode.clientIndividual, .client, .auto])
    func aLongBacklogComesInOrderOnce(mode: AckMode) async throws {
        var limits = Limits()
        limits.backlogRowsMax = 50
        try await Installation.with(limits: limits) { belfry in
            try await belfry.application.run(
                """
                insert into belfry.message_log (receiver, type, data)
                select 'alice', 'JSON_MSG', to_jsonb(n) from generate_series(1, 1000) n
                """)
            try await belfry.withClient(of: "alice") {
                $0.bufferedMessagesMax = 120
            } _: { client in
                async let late: Void = {
                    for number in 1001...1100 { try await belfry.application.notify("alice", "\(number)") }
                }()
                var numbers: [JSONValue] = []
                for try await message in client.messages(ack: mode) {
                    numbers.append(message.json)
                    message.ack()
                    if numbers.count == 1100 { break }
                }
                try await late
                #expect(numbers == (1...1100).map { .integer($0) })
            }
            try await eventually("all are delivered") { try await belfry.application.outboxCount() == "0" }
        }
    }

    @Test func whatIsGivenBackComesAgain() async throws {
        var limits = Limits()
        limits.nackDelay = .milliseconds(50)
        try await Installation.with(limits: limits) { belfry in
            try await belfry.withClient(of: "alice") { client in
                let id = try await belfry.application.notify("alice")
                var messages = client.messages().makeAsyncIterator()
                let first = try await messages.next()
                first?.nack()
                let second = try await messages.next()
                #expect(first?.id == "\(id)" && second?.id == "\(id)")
                #expect(first?.isRedelivered == false && second?.isRedelivered == true)
                try await second?.acknowledge()
                #expect(try await belfry.application.status(id) == "delivered")
            }
        }
    }

    @Test func aTopicIsReplayedFromWhereItIsAskedFor() async throws {
        try await Installation.with { belfry in
            let first = try await belfry.application.broadcast("news", "1")
            try await belfry.application.broadcast("news", "2")
            try await eventually("both are published") {
                try await belfry.application.value("select count(*) from belfry.outbox where published_at is null")
                    == "0"
            }
            try await belfry.withClient(of: "alice") { client in
                var later = client.messages("/topic/news").makeAsyncIterator()
                try await later.subscribed()
                var replayed = client.messages("/topic/news", after: "\(first)").makeAsyncIterator()
                try await replayed.subscribed()
                try await belfry.application.broadcast("news", "3")
                let (new, all) = (try await later.next(1), try await replayed.next(2))
                #expect(new.map(\.json) == [3] && all.map(\.json) == [2, 3])
                #expect(new[0].notification?.topic == "news" && new[0].notification?.receiver == nil)
                // In mode auto there is nothing to wait for.
                try await new[0].acknowledge()
            }
        }
    }

    /// Each iterator is a subscription, which ends with it: what it left comes by the next.
    @Test func whoLeavesTheLoopGivesBackWhatWasNotAcknowledged() async throws {
        try await Installation.with { belfry in
            try await belfry.withClient(of: "alice") { client in
                for _ in 1...3 { try await belfry.application.notify("alice") }
                var left: [BelfryClient.Message] = []
                for try await message in client.messages() {
                    left.append(message)
                    break
                }
                var rest = client.messages().makeAsyncIterator()
                let again = try await rest.next(3)
                #expect(again[0].id == left[0].id && again[0].isRedelivered)
                // The message of a subscription that is gone can't be acknowledged any more.
                await #expect(throws: BelfryClientError.self) { try await left[0].acknowledge() }
                for message in again { try await message.acknowledge() }
                #expect(try await belfry.application.outboxCount() == "0")
            }
        }
    }

    @Test func overTCPItIsTheSame() async throws {
        try await Installation.with { belfry in
            let id = try await belfry.application.notify("alice", "7")
            let client = BelfryClient(url: "stomp://127.0.0.1:\(belfry.nodes[0].stompPort)", token: "alice")
            try await client.running {
                for try await message in client.messages() {
                    #expect(message.id == "\(id)" && message.json == 7)
                    try await message.acknowledge()
                    break
                }
            }
            #expect(try await belfry.application.status(id) == "delivered")
        }
    }
}
