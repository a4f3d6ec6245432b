import BelfryModel
import DatabaseSupport
import NIOCore
import STOMP
import Testing
import WebSocket

@testable import Node

/// SEND `/app/ack`, and subscriptions of earlier pages, which have no other way to acknowledge.
@Suite struct CommandAcknowledgementTests {
    private static let connection: ClientConnection = {
        var connection = ClientConnection(transport: "websocket")
        connection.acknowledgesByCommand = true
        return connection
    }()

    @Test(arguments: ["ID", "\"ID\"", " ID\n"])
    func theIDAcknowledgesTheMessageAndTheReceiptIsDurable(_ body: String) async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice")
            try await client.subscribe("/user/queue/msg")
            let id = try await database.notify("alice")
            try await client.message(id)
            let text = body.replacingOccurrences(of: "ID", with: "\(id)")
            try await client.send("SEND\ndestination:/app/ack\nreceipt:r\n\n\(text)\0")
            _ = try await client.frame(.receipt)
            #expect(try await database.status(id) == "delivered")
        }
    }

    @Test(arguments: ["", "x", "0", "-1", "1.5", "{\"id\":1}"]) func whatIsNoIDIsRefused(_ body: String) async throws {
        try await TestNode.with { node in
            let client = try await node.connect(as: "alice")
            try await client.send("SEND\ndestination:/app/ack\n\n\(body)\0")
            let error = try await client.frame(.error)
            #expect(String(buffer: error.body) == "SEND: the body must be the message-id of a MESSAGE, such as 42.\n")
        }
    }

    @Test func anotherUsersMessageIsNotAcknowledged() async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "mallory")
            try await client.subscribe("/user/queue/msg")
            let id = try await database.notify("alice")
            try await client.send("SEND\ndestination:/app/ack\nreceipt:r\n\n\(id)\0")
            _ = try await client.frame(.receipt)
            #expect(try await database.status(id) == "pending")
        }
    }

    @Test func aSubscriptionWithoutAModeIsNotDeliveredByBeingWritten() async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice", by: Self.connection)
            try await client.send("SUBSCRIBE\nid:0\ndestination:/user/queue/msg\n\n\0")
            let ids = [try await database.notify("alice"), try await database.notify("alice")]
            for id in ids { #expect(try await client.message(id).headers["ack"] == nil) }
            try await client.send("SEND\ndestination:/app/ack\nreceipt:r\n\n\(ids[1])\0")
            _ = try await client.frame(.receipt)
            #expect(try await database.status(ids[0]) == "pending")
            #expect(try await database.status(ids[1]) == "delivered")
            try await client.vanish()
            let again = try await node.connect(as: "alice", by: Self.connection)
            try await again.send("SUBSCRIBE\nid:0\ndestination:/user/queue/msg\n\n\0")
            #expect(try await again.message(ids[0]).headers["redelivered"] == "true")
        }
    }

    @Test func whatIsNotAcknowledgedComesAgainInTheSameSession() async throws {
        var limits = Limits()
        limits.commandAckTimeout = .milliseconds(200)
        try await TestNode.withDatabase(limits: limits) { node, database in
            let client = try await node.connect(as: "alice", by: Self.connection)
            try await client.send("SUBSCRIBE\nid:0\ndestination:/user/queue/msg\n\n\0")
            let ids = [try await database.notify("alice"), try await database.notify("alice")]
            for id in ids { try await client.message(id) }
            try await client.send("SEND\ndestination:/app/ack\nreceipt:r\n\n\(ids[0])\0")
            _ = try await client.frame(.receipt)
            #expect(try await client.message(ids[1]).headers["redelivered"] == "true")
            try await client.send("SEND\ndestination:/app/ack\nreceipt:r\n\n\(ids[1])\0")
            _ = try await node.eventually("acknowledged") {
                try await database.status(ids[1]) == "delivered" ? true : nil
            }
        }
    }

    @Test func whoNamesAModeOrComesOtherwiseHasIt() async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice", by: Self.connection)
            try await client.subscribe("/user/queue/msg", ack: "auto")
            let id = try await database.notify("alice")
            try await client.message(id)
            _ = try await node.eventually("delivered") { try await database.status(id) == "delivered" ? true : nil }
        }
    }
}
