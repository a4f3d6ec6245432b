import BelfryClient
import BelfryModel
import DatabaseSupport
import PrivateServers
import STOMP
import TestBasics
import TestSupport
import Testing

@Suite struct OutageTests {
    /// Promise 8: without Redis, delivery goes on from PostgreSQL within two seconds.
    @Test func withoutRedisDeliveryGoesOnFromPostgreSQL() async throws {
        let redis = try await PrivateRedis.start(dataDirectory: TestServers.folder("redis-outage"))
        try await Installation.with(bus: .redis(redis), nodes: 2) { belfry in
            try await belfry.withClient(of: "alice", node: 1) { alice in
                var messages = alice.messages().makeAsyncIterator()
                try await messages.subscribed()
                let first = try await belfry.application.notify("alice")
                #expect(try await messages.next()?.id == "\(first)")

                redis.kill()
                let clock = ContinuousClock()
                let start = clock.now
                let second = try await belfry.application.notify("alice")
                let message = try #require(try await messages.next())
                #expect(message.id == "\(second)")
                #expect(clock.now - start < .seconds(2))
                try await message.acknowledge()
                #expect(try await belfry.application.status(second) == "delivered")
                // A new session does without Redis as well.
                try await belfry.withClient(of: "bob") { bob in
                    let forBob = try await belfry.application.notify("bob")
                    var messages = bob.messages().makeAsyncIterator()
                    #expect(try await messages.next()?.id == "\(forBob)")
                }

                try await redis.restart()
                let third = try await belfry.application.notify("alice")
                #expect(try await messages.next()?.id == "\(third)")
            }
        }
        await redis.stop()
    }

    /// Sessions stay connected while PostgreSQL is away, and everything comes back by itself.
    @Test func postgresRestartsUnderLiveSessions() async throws {
        let postgres = try await PrivatePostgres.start(dataDirectory: TestServers.folder("postgres-outage"))
        try await Installation.with(postgres: postgres) { belfry in
            try await belfry.withClient(of: "alice") {
                $0.requestTimeout = .seconds(30)
            } _: { alice in
                var messages = alice.messages().makeAsyncIterator()
                try await messages.subscribed()
                let first = try await belfry.application.notify("alice")
                let message = try #require(try await messages.next())
                #expect(message.id == "\(first)")

                postgres.kill()
                // Acknowledged while it is away: written when it is back.
                let acknowledgement = Task { try await message.acknowledge() }
                try await postgres.restart()
                let application = try await eventually("PostgreSQL answers") {
                    try? await Application.connect(belfry.databaseURL)
                }
                try await acknowledgement.value
                #expect(try await application.status(first) == "delivered")
                let second = try await application.notify("alice")
                #expect(try await messages.next()?.id == "\(second)")
                await application.close()
            }
        }
        await postgres.stop()
    }

    /// A PUBLISH that nobody got, on a bus that seems well: a look into PostgreSQL finds the message, and it comes
    /// once.
    @Test func aLostPublishIsMadeGoodByReconcile() async throws {
        var limits = Limits()
        limits.reconcileInterval = .milliseconds(300)
        let bus = LossyBus()
        try await Installation.with(bus: .lossy(bus), limits: limits) { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            let bob = try await belfry.connect("bob")
            try await bob.subscribe("/topic/news", ack: "auto", receipt: "sub")
            bus.lose(true)
            let id = try await belfry.application.notify("alice")
            let news = try await belfry.application.broadcast("news")
            try await eventually("both were lost") { bus.lostCount >= 2 }
            #expect(try await alice.nextMessage().messageID == id)
            #expect(try await bob.nextMessage().messageID == news)
            bus.lose(false)
            // What comes next is the next message, not the same one again.
            let next = try await belfry.application.notify("alice")
            #expect(try await alice.nextMessage().messageID == next)
            let more = try await belfry.application.broadcast("news")
            #expect(try await bob.nextMessage().messageID == more)
        }
    }

    /// With no relay at all the nodes find new messages by themselves.
    @Test func withoutARelayNodesFindMessages() async throws {
        try await Installation.with { belfry in
            let alice = try await belfry.connect("alice")
            try await alice.subscribe("/user/queue/msg", receipt: "sub")
            await belfry.relay.stop()
            let id = try await belfry.application.notify("alice")
            #expect(try await alice.nextMessage().messageID == id)
        }
    }
}
