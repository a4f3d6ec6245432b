import BelfryModel
import NIOCore
import STOMP
import Testing
import WebSocketSupport

@testable import Node

/// Promise 7: acknowledgements that wait for PostgreSQL are bounded, and no client is blamed for it.
@Suite("Acknowledgements that PostgreSQL does not take")
struct BackPressureTests {
    private static let limits: Limits = {
        var limits = Limits()
        limits.marksPendingMax = 4
        limits.heartBeatMilliseconds = 10_000_000
        return limits
    }()

    @Test("Over the bound clients are not read from, nor blamed for their silence, until there is room")
    func readingStopsAndGoesOn() async throws {
        try await TestNode.withDatabase(limits: Self.limits) { node, database in
            var ids: [Int64] = []
            for _ in 0..<8 { ids.append(try await database.notify("alice")) }
            let client = try await node.connect(as: "alice", heartBeat: "10000000,0")
            try await client.subscribe("/user/queue/msg")
            var messages: [Frame] = []
            for id in ids { messages.append(try await client.message(id)) }
            try await database.connection.run("begin; lock table belfry.message_log in exclusive mode")
            for message in messages.prefix(4) { try await client.acknowledge(message) }
            _ = try await node.eventually("the first wait") { try await database.isSomebodyWaiting() ? true : nil }
            try await client.write(ClientFrames.frame(.ping, [1]))
            try await client.read()
            #expect(client.received.last == .pong([1]), "four are not over the bound")

            for message in messages.dropFirst(4).prefix(2) { try await client.acknowledge(message) }
            try await client.write(ClientFrames.frame(.ping, [2]))
            try await client.read()
            #expect(client.received.last == .pong([1]), "what comes now is not looked at")
            // Twice its interval: whoever is read from would be dropped.
            try await node.tick(.seconds(20_001))
            try await client.read()
            #expect(client.received.last == .pong([1]))
            #expect(client.channel.isActive)

            try await database.connection.run("rollback")
            _ = try await node.eventually("reading goes on") {
                try await client.read()
                return client.received.contains(.pong([2])) ? true : nil
            }
            for message in messages.dropFirst(6) { try await client.acknowledgeDurably(message) }
            _ = try await node.eventually("all are delivered") {
                try await database.outboxCount() == "0" ? true : nil
            }
        }
    }
}
