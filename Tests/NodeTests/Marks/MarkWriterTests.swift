import BelfryModel
import DatabaseSupport
import NIOCore
import Testing

@testable import Node

/// When a mark is made, and how many.
@Suite struct MarkWriterTests {
    @Test func inModeAutoAMessageThatHasNotLeftForTheSocketIsNotDelivered() async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice")
            try await client.subscribe("/user/queue/msg", ack: "auto")
            try await node.isLive(.user("alice"))
            let id = try await database.notify("alice")
            let (xid, createdAt) = (try await database.xid(id), try await database.createdAt(id))
            try await client.stopReading()
            try await node.publish(id, to: .user("alice"), xid: xid, createdAt: createdAt)
            // A mark made later, and committed, would have taken it along.
            let bob = try await node.connect(as: "bob")
            try await bob.subscribe("/user/queue/msg")
            try await bob.acknowledgeDurably(try await bob.message(try await database.notify("bob")))
            #expect(try await database.status(id) == "pending")
            try await client.readAgain()
            try await client.message(id)
            _ = try await node.eventually("delivered") { try await database.status(id) == "delivered" ? true : nil }
        }
    }

    @Test func aBroadcastIsMarkedOnceForAllWhoAcknowledgeIt() async throws {
        try await TestNode.with { node in
            var clients: [TestClient] = []
            for user in ["alice", "bob", "carol"] {
                let client = try await node.connect(as: user)
                try await client.subscribe("/topic/news")
                clients.append(client)
            }
            try await node.isOpen(.topic("news"))
            for id: Int64 in [1, 2] { try await node.publish(id, to: .topic("news")) }
            for client in clients {
                for id: Int64 in [1, 2] { try await client.acknowledge(try await client.message(id)) }
            }
            let worker = node.worker
            #expect(try await node.loop.executeInContext { worker.marks.pendingCount } == 2)
        }
    }
}
