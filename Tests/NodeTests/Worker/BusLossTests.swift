import BelfryModel
import NIOCore
import Testing

@testable import Node

/// Promise 8: without the bus, what is asked for comes from PostgreSQL.
@Suite("A bus that goes away")
struct BusLossTests {
    @Test("It goes before SUBSCRIBE is answered: the receipt and the backlog come all the same")
    func whileOpening() async throws {
        try await TestNode.withDatabase { node, database in
            let id = try await database.notify("alice")
            let client = try await node.connect(as: "alice")
            try await node.loseBus(
                while: client,
                sends: "SUBSCRIBE\nid:0\ndestination:/user/queue/msg\nack:client-individual\nreceipt:sub\n\n\0")
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "sub")
            try await client.message(id)
        }
    }
}
