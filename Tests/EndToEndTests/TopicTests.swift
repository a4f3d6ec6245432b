import BelfryClient
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
            try await belfry.withClient(of: "alice") { alice in
                var replayed = alice.messages("/topic/news", after: String(ids[1])).makeAsyncIterator()
                #expect(try await replayed.next(3).map(\.id) == ids[2...].map { "\($0)" })
                let live = try await belfry.application.broadcast("news")
                #expect(try await replayed.next()?.id == "\(live)")
                // Without it a subscription begins with the present.
                var fresh = alice.messages("/topic/news").makeAsyncIterator()
                try await fresh.subscribed()
                let next = try await belfry.application.broadcast("news")
                #expect(try await fresh.next()?.id == "\(next)")
            }
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
            try await belfry.withClient(of: "alice") { alice in
                var messages = alice.messages("/topic/news").makeAsyncIterator()
                try await messages.subscribed()
                let first = try await belfry.application.broadcast("news")
                #expect(try await messages.next()?.id == "\(first)")
                try await Task.sleep(for: .milliseconds(600))
                belfry.memoryBus?.disconnect()
                let start = ContinuousClock.now
                let second = try await belfry.application.broadcast("news")
                #expect(try await messages.next()?.id == "\(second)")
                #expect(ContinuousClock.now - start < .seconds(3))
                belfry.memoryBus?.reconnect()
                let third = try await belfry.application.broadcast("news")
                #expect(try await messages.next()?.id == "\(third)")
            }
        }
    }
}
