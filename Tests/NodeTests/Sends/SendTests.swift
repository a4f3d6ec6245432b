import Authentication
import BelfryModel
import DatabaseSupport
import STOMP
import Testing

@testable import Node

/// SEND to users and topics, and STOMP's transactions, on a real PostgreSQL.
@Suite struct SendTests {
    private static func row(_ id: String, in database: Application) async throws -> [String] {
        try await database.column(
            """
            select unnest(array[
                coalesce(receiver, '/' || topic), type, data::text, coalesce(headers::text, ''), status])
            from belfry.message_log where id = \(id)
            """)
    }

    @Test func aMessageIsARowAndItsReceiptComesAfterTheCommit() async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice")
            try await client.send(
                "SEND\ndestination:/user/b%2Fc/queue/msg\ntraceparent:00-1\nAuthorization:secret\nreceipt:1\n\n[1, 2]\0"
            )
            try await client.send("SEND\ndestination:/topic/news\ntype:STRING_MSG\nreceipt:2\n\nhel\"lo\0")
            for receipt in ["1", "2"] {
                #expect(try await client.frame(.receipt).headers["receipt-id"] == receipt)
            }
            #expect(
                try await Self.row("1", in: database)
                    == ["b/c", "JSON_MSG", "[1, 2]", "{\"traceparent\": \"00-1\"}", "pending"])
            #expect(try await Self.row("2", in: database) == ["/news", "STRING_MSG", "\"hel\\\"lo\"", "", "pending"])
            #expect(try await database.outboxCount() == "2")
        }
    }

    @Test func timesAndKeysAreTheRowsOwn() async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice")
            for receipt in ["1", "2"] {
                try await client.send(
                    "SEND\ndestination:/topic/news\nidempotency-key:k\nnot-before:2100-01-01T00\\c00\\c00Z\n"
                        + "expires-at:4102444800001\nreceipt:\(receipt)\n\n1\0")
                _ = try await client.frame(.receipt)
            }
            let rows = try await database.column(
                """
                select idempotency_key || ' ' || date_part('epoch', not_before) || ' '
                    || date_part('epoch', expires_at) * 1000
                from belfry.message_log
                """)
            #expect(rows == ["stomp:alice:k 4102444800 4102444800001"])
        }
    }

    @Test(arguments: [
        ("destination:/topic/a", "{", "the body is not JSON"),
        ("destination:/topic/a", "", "the body is empty"),
        ("destination:/topic/a\ntype:NO_SUCH", "1", "is not registered"),
        ("destination:/topic/a\ntype:", "1", "the header type must be"),
        ("destination:/topic/a\nexpires-at:tomorrow", "1", "the header expires-at must be a time"),
        ("destination:/topic/a\nnot-before:0", "1", "the header not-before must be a time"),
        ("destination:/topic/a\nnot-before:5000\nexpires-at:4000", "1", "would expire at"),
        ("destination:/topic/a\nidempotency-key:", "1", "the header idempotency-key must have"),
        ("destination:/user/a\\nb/queue/x", "1", "can't be one"),
        ("destination:/queue/x", "1", "is not served here"),
        ("destination:/app/nothing", "1", "there is no command"),
        ("x:y", "1", "it lacks the header destination"),
    ])
    func whatIsWrongIsSaidAndNothingIsWritten(_ headers: String, _ body: String, _ sentence: String) async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice")
            try await client.send("SEND\n\(headers)\nreceipt:r\n\n\(body)\0")
            let error = try await client.frame(.error)
            #expect(String(buffer: error.body).contains(sentence), "\(String(buffer: error.body))")
            #expect(String(buffer: error.body).hasPrefix("SEND: "))
            #expect(error.headers["receipt-id"] == "r")
            #expect(try await database.value("select count(*) from belfry.message_log") == "0")
        }
    }

    /// Frames of several sessions go in one statement; a faulty one hurts its own session only.
    @Test func aFaultyOneAmongMany() async throws {
        try await TestNode.withDatabase { node, database in
            var clients: [TestClient] = []
            for user in ["a", "b", "c"] { clients.append(try await node.connect(as: user)) }
            for (place, client) in clients.enumerated() {
                let frames = (0..<40).map { number in
                    let body = place == 1 && number == 20 ? "{" : "\(number)"
                    return "SEND\ndestination:/user/x\(place)/queue/q\nreceipt:\(number)\n\n\(body)\0"
                }
                try await client.send(frames.joined())
            }
            for place in [0, 2] {
                for number in 0..<40 {
                    #expect(try await clients[place].frame(.receipt).headers["receipt-id"] == "\(number)")
                }
            }
            for _ in 0..<20 { _ = try await clients[1].frame(.receipt) }
            #expect(try await clients[1].frame(.error).headers["receipt-id"] == "20")
            let counts = try await database.column(
                """
                select receiver || ' ' || string_agg(data::text, ',' order by id)
                from belfry.message_log group by receiver
                """)
            let first = { (count: Int) -> String in (0..<count).map { "\($0)" }.joined(separator: ",") }
            let expected: Set<String> = ["x0 " + first(40), "x1 " + first(20), "x2 " + first(40)]
            #expect(Set(counts) == expected)
        }
    }

    @Test func whatAnApplicationHoldsTheKeyOfWaitsAndDelaysNobodyElse() async throws {
        try await TestNode.withDatabase { node, database in
            let (alice, bob) = (try await node.connect(as: "alice"), try await node.connect(as: "bob"))
            try await database.run("begin")
            _ = try await database.value(
                "select belfry.notify('x', 'JSON_MSG', '1', idempotency_key => 'stomp:alice:k')")
            try await alice.send("SEND\ndestination:/topic/a\nidempotency-key:k\nreceipt:1\n\n1\0")
            try await alice.send("SEND\ndestination:/topic/a\nreceipt:2\n\n2\0")
            try await bob.send("SEND\ndestination:/topic/b\nreceipt:1\n\n3\0")
            _ = try await bob.frame(.receipt)
            try await alice.read()
            #expect(alice.frames.count == 1, "CONNECTED and nothing else: the second waits behind the first")
            try await database.run("commit")
            for receipt in ["1", "2"] { #expect(try await alice.frame(.receipt).headers["receipt-id"] == receipt) }
            #expect(
                try await database.column("select data::text from belfry.message_log order by id") == ["1", "3", "2"])
        }
    }

    @Test func withoutPostgreSQLTheSessionIsToldInTime() async throws {
        var limits = Limits()
        limits.sendTimeout = .milliseconds(500)
        try await TestNode.with(limits: limits) { node in
            let client = try await node.connect(as: "alice")
            try await client.send("SEND\ndestination:/topic/a\nreceipt:1\n\n1\0")
            let error = try await client.frame(.error)
            #expect(String(buffer: error.body).contains("nothing of it was written"))
            try await client.expectClose(.internalError)
        }
    }

    // MARK: Transactions

    @Test func messagesAndAcknowledgementsAreOneTransaction() async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice")
            try await client.subscribe("/user/queue/msg")
            let ids = [try await database.notify("alice"), try await database.notify("alice")]
            var messages: [Frame] = []
            for id in ids { messages.append(try await client.message(id)) }
            try await client.send("BEGIN\ntransaction:t\n\n\0")
            for message in messages {
                try await client.send("ACK\nid:\(message.headers["ack"] ?? "")\ntransaction:t\n\n\0")
            }
            try await client.send("SEND\ndestination:/user/bob/queue/x\ntransaction:t\nreceipt:s\n\n1\0")
            _ = try await client.frame(.receipt)
            #expect(try await database.status(ids[0]) == "pending")
            #expect(try await database.outboxCount() == "2")
            try await client.send("COMMIT\ntransaction:t\nreceipt:c\n\n\0")
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "c")
            // One transaction: the row's own and those that the two others were updated by.
            let transactions = try await database.column("select distinct xmin::text from belfry.message_log")
            #expect(transactions.count == 1)
            #expect(
                try await database.column("select status::text from belfry.message_log order by id") == [
                    "delivered", "delivered", "pending",
                ])
            #expect(try await database.outboxCount() == "1")
        }
    }

    @Test func aTransactionOfWhichAPartIsRefusedDoesNothing() async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice")
            try await client.subscribe("/user/queue/msg")
            let id = try await database.notify("alice")
            let message = try await client.message(id)
            try await client.send(
                "BEGIN\ntransaction:t\n\n\0ACK\nid:\(message.headers["ack"] ?? "")\ntransaction:t\n\n\0"
                    + "SEND\ndestination:/topic/a\ntransaction:t\n\n1\0"
                    + "SEND\ndestination:/topic/a\ntransaction:t\n\n{\0COMMIT\ntransaction:t\nreceipt:c\n\n\0")
            let error = try await client.frame(.error)
            #expect(error.headers["receipt-id"] == "c")
            #expect(String(buffer: error.body).hasPrefix("COMMIT: the body is not JSON"))
            #expect(try await database.status(id) == "pending")
            #expect(try await database.value("select count(*) from belfry.message_log") == "1")
            // What was in flight comes again.
            let again = try await node.connect(as: "alice")
            try await again.subscribe("/user/queue/msg")
            #expect(try await again.message(id).headers["redelivered"] == "true")
        }
    }

    @Test func whatASessionLeavesOpenIsAborted() async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice")
            try await client.send("BEGIN\ntransaction:t\n\n\0SEND\ndestination:/topic/a\ntransaction:t\n\n1\0")
            try await client.send("DISCONNECT\nreceipt:d\n\n\0")
            _ = try await client.frame(.receipt)
            let other = try await node.connect(as: "alice")
            try await other.send("SEND\ndestination:/topic/a\nreceipt:1\n\n2\0")
            _ = try await other.frame(.receipt)
            #expect(try await database.column("select data::text from belfry.message_log") == ["2"])
        }
    }

    @Test func aRefusalOfATransactionFollowsItsCommit() async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice")
            try await client.subscribe("/user/queue/msg")
            let id = try await database.notify("alice")
            let message = try await client.message(id)
            try await client.send(
                "BEGIN\ntransaction:t\n\n\0NACK\nid:\(message.headers["ack"] ?? "")\ntransaction:t\n\n\0"
                    + "COMMIT\ntransaction:t\nreceipt:c\n\n\0")
            _ = try await client.frame(.receipt)
            #expect(try await database.value("select attempts from belfry.outbox") == "1")
        }
    }

    /// The row of a message that a transaction acknowledges is held: nobody waits, and it is tried again.
    @Test func aTransactionWhoseMessageAnApplicationHolds() async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice")
            try await client.subscribe("/user/queue/msg")
            let id = try await database.notify("alice")
            let message = try await client.message(id)
            try await database.run("begin")
            _ = try await database.value("select id from belfry.message_log where id = \(id) for update")
            try await client.send(
                "BEGIN\ntransaction:t\n\n\0ACK\nid:\(message.headers["ack"] ?? "")\ntransaction:t\n\n\0"
                    + "SEND\ndestination:/topic/a\ntransaction:t\n\n1\0COMMIT\ntransaction:t\nreceipt:c\n\n\0")
            let other = try await node.connect(as: "bob")
            try await other.send("SEND\ndestination:/topic/b\nreceipt:1\n\n2\0")
            _ = try await other.frame(.receipt)
            #expect(try await database.value("select count(*) from belfry.message_log where topic = 'a'") == "0")
            try await database.run("commit")
            #expect(try await client.frame(.receipt).headers["receipt-id"] == "c")
            #expect(try await database.status(id) == "delivered")
            #expect(try await database.value("select count(*) from belfry.message_log where topic = 'a'") == "1")
        }
    }

    @Test func prefetchCountLowersWhatIsInFlight() async throws {
        try await TestNode.withDatabase { node, database in
            let client = try await node.connect(as: "alice")
            let ids = [try await database.notify("alice"), try await database.notify("alice")]
            try await client.subscribe("/user/queue/msg", headers: "prefetch-count:1\n")
            let first = try await client.message(ids[0])
            try await node.timePasses(.seconds(1))
            try await client.read()
            #expect(client.frames.filter { $0.command == .message }.count == 1)
            try await client.acknowledge(first)
            try await client.message(ids[1])
        }
    }
}
