import BelfryModel
import NIOCore
import Testing

@testable import Node

/// A message that has expired reaches nobody, whichever way it comes.
@Suite("An expired message")
struct ExpiryTests {
    @Test("It reaches nobody when it comes live, by a user's queue or a topic")
    func live() async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice")
            let first = try await database.notify("alice")
            try await client.subscribe("/topic/news", id: "topic", headers: "receipt:sub\n")
            _ = try await client.frame(.receipt)
            try await client.subscribe("/user/queue/msg", id: "queue")
            try await client.message(first)
            for address in [Address.user("alice"), .topic("news")] {
                let past = UnixTime.milliseconds - 1
                try await node.publish(1_000, to: address, xid: 1 << 40, expiresAt: past)
                try await node.publish(1_001, to: address, xid: 1 << 40, expiresAt: past + 3_600_000)
                try await client.message(1_001)
            }
        }
    }

    @Test("It reaches nobody when its time ran out while a backlog was read")
    func held() async throws {
        try await TestNode.withDatabase { node, database in
            let first = try await database.notify("alice")
            let client = try await node.connect(as: "alice")
            try await database.connection.run("begin; lock table belfry.session")
            try await client.subscribe("/user/queue/msg", headers: "receipt:sub\n")
            _ = try await client.frame(.receipt)
            _ = try await node.eventually("the reading waits") {
                try await database.isSomebodyWaiting() ? true : nil
            }
            let end = UnixTime.milliseconds + 300
            try await node.publish(1_000, to: .user("alice"), xid: 1 << 40, expiresAt: end)
            try await node.publish(1_001, to: .user("alice"), xid: 1 << 40)
            _ = try await node.eventually("its time runs out") { UnixTime.milliseconds > end ? true : nil }
            try await database.connection.run("rollback")
            try await client.message(first)
            try await client.message(1_001)
        }
    }
}
