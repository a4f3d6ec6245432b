import BelfryModel
import DatabaseSupport
import NIOCore
import Testing

@testable import Node

/// The looks into the outbox.
@Suite struct ReconcilerTests {
    /// Before it, a broadcast that the bus loses could not be told from one that was there before.
    @Test func theReceiptOfATopicsSubscriptionComesWithTheFirstLook() async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice")
            try await database.run("begin; lock table belfry.outbox in access exclusive mode")
            try await client.subscribe("/topic/news", headers: "receipt:stands\n")
            try await node.isOpen(.topic("news"))
            _ = try await node.eventually("the look waits") { try await database.isSomebodyWaiting() ? true : nil }
            try await client.read()
            #expect(client.frames.count == 1, "CONNECTED and nothing else")
            try await database.run("rollback")
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "stands")
            // The bus brings nothing of it.
            let id = try await database.broadcast("news")
            try await client.message(id)
        }
    }
}
