import BelfryModel
import STOMP
import TestBasics
import TestSupport
import Testing

@Suite struct TopicTests {
    @Test func aBroadcastReachesEverySubscriberOnEveryNode() async throws {
        let redis = try await TestServers.shared.sharedRedis()
        try await Installation.with(bus: .redis(redis), nodes: 2) { belfry in
            var clients: [STOMPClient] = []
            for number in 0..<6 {
                let client = try await belfry.connect("user\(number)", node: number % 2)
                try await client.subscribe("/topic/news", receipt: "sub")
                clients.append(client)
            }
            let outsider = try await belfry.connect("outsider")
            try await outsider.subscribe("/topic/other", receipt: "sub")
            let id = try await belfry.application.broadcast("news", #""hello""#)
            for client in clients {
                let message = try await client.nextMessage()
                #expect(message.messageID == id)
                #expect(message.headers["destination"] == "/topic/news")
            }
            try await clients[0].ack(Frame(.message, ["ack": "1-\(id)"]), receipt: "ack")
            #expect(try await belfry.application.status(id) == "delivered")
            #expect(outsider.pendingFrames.isEmpty)
        }
    }

    @Test func lastMessageIDReplaysWhatCameAfterIt() async throws {
        try await Installation.with { belfry in
            var ids: [Int64] = []
            for number in 0..<5 { ids.append(try await belfry.application.broadcast("news", "\(number)")) }
            // A client knows an id only from a message that was published.
            try await eventually("all are published") {
                try await belfry.application.value("select count(*) from belfry.outbox where published_at is null")
                    == "0"
            }
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/topic/news", ack: "auto", receipt: "sub", lastMessageID: String(ids[1]))
            #expect(try await alice.nextMessages(3).map(\.messageID) == Array(ids[2...]))
            let live = try await belfry.application.broadcast("news")
            #expect(try await alice.nextMessage().messageID == live)
            // Without it a subscription begins with the present.
            let bob = try await belfry.connect("bob")
            try await bob.subscribe("/topic/news", ack: "auto", receipt: "sub")
            let next = try await belfry.application.broadcast("news")
            #expect(try await bob.nextMessage().messageID == next)
        }
    }

    @Test func aBroadcastNobodyTookExpiresWithItsReason() async throws {
        var limits = Limits()
        limits.topicHold = .seconds(1)
        try await Installation.with(limits: limits) { belfry in
            let id = try await belfry.application.broadcast("nobody")
            try await belfry.application.waitForStatus("expired", of: id)
            #expect(try await belfry.application.value("select count(*) from belfry.outbox") == "0")
            let reason = try await belfry.application.value("select status_reason from belfry.message_log")
            #expect(reason?.contains("No session") == true)
        }
    }

    /// A PUBLISH that got lost is made good from PostgreSQL.
    @Test func aBroadcastMissedByTheBusArrivesByReconcile() async throws {
        var limits = Limits()
        limits.degradedInterval = .milliseconds(200)
        try await Installation.with(limits: limits) { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/topic/news", ack: "auto", receipt: "sub")
            let first = try await belfry.application.broadcast("news")
            #expect(try await alice.nextMessage().messageID == first)
            try await Task.sleep(for: .milliseconds(600))
            belfry.memoryBus?.disconnect()
            let second = try await belfry.application.broadcast("news")
            #expect(try await alice.nextMessage(within: .seconds(3)).messageID == second)
            belfry.memoryBus?.reconnect()
            let third = try await belfry.application.broadcast("news")
            #expect(try await alice.nextMessage().messageID == third)
            #expect(alice.pendingFrames.isEmpty)
        }
    }
}
