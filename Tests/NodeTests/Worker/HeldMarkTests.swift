import BelfryModel
import DatabaseSupport
import NIOCore
import STOMP
import Testing

@testable import Node

/// A mark that PostgreSQL does not take for minutes: what it says is known all the while.
@Suite("Marks that wait longer than anything is remembered")
struct HeldMarkTests {
    /// Over two lifetimes of what the node remembers of messages that it has dealt with.
    private static func minutesPass(on node: TestNode) async throws {
        for seconds: Int64 in [61, 122, 183] { try await node.timePasses(.seconds(seconds)) }
    }

    /// A client that has its backlog behind it, and messages of its own that came live.
    private static func live(
        _ user: String, _ count: Int, on node: TestNode, _ database: Application
    ) async throws -> (client: TestClient, ids: [Int64], messages: [Frame]) {
        let client = try await node.connect(as: user)
        let first = try await database.notify(user)
        try await client.subscribe("/user/queue/msg")
        try await client.acknowledgeDurably(try await client.message(first))
        var (ids, messages): ([Int64], [Frame]) = ([], [])
        for _ in 0..<count {
            let id = try await database.notify(user)
            try await node.publish(row: id, of: user, in: database)
            ids.append(id)
            messages.append(try await client.message(id))
        }
        return (client, ids, messages)
    }

    @Test("What was acknowledged is not sent again while the statement that marks it hangs")
    func hangingStatement() async throws {
        try await TestNode.withDatabase { node, database in
            let (client, ids, messages) = try await Self.live("alice", 1, on: node, database)
            let (xid, createdAt) = (try await database.xid(ids[0]), try await database.createdAt(ids[0]))
            try await database.connection.run("begin; lock table belfry.message_log in exclusive mode")
            try await client.acknowledge(messages[0], receipt: "late")
            _ = try await node.eventually("the mark waits") { try await database.isSomebodyWaiting() ? true : nil }
            try await Self.minutesPass(on: node)
            try await node.publish(ids[0], to: .user("alice"), xid: xid, createdAt: createdAt)
            try await node.publish(9_999, to: .user("alice"), xid: 1 << 40)
            try await client.message(9_999)
            try await database.connection.run("rollback")
            _ = try await client.frame(.receipt)
            #expect(try await database.status(ids[0]) == "delivered")
        }
    }

    @Test("What was acknowledged is not sent again while an application holds its row")
    func heldRow() async throws {
        try await TestNode.withDatabase { node, database in
            let (client, ids, messages) = try await Self.live("alice", 2, on: node, database)
            let (xid, createdAt) = (try await database.xid(ids[0]), try await database.createdAt(ids[0]))
            try await database.connection.run("begin; select belfry.cancel(\(ids[0]))")
            try await client.acknowledge(messages[0])
            try await client.acknowledgeDurably(messages[1])
            try await Self.minutesPass(on: node)
            try await node.publish(ids[0], to: .user("alice"), xid: xid, createdAt: createdAt)
            try await node.publish(9_999, to: .user("alice"), xid: 1 << 40)
            try await client.message(9_999)
            try await database.connection.run("rollback")
            _ = try await node.eventually("it is marked") {
                try await database.status(ids[0]) == "delivered" ? true : nil
            }
        }
    }

    @Test("What a subscription gave back comes marked redelivered while an application holds its row")
    func givenBack() async throws {
        try await TestNode.withDatabase { node, database in
            let (alice, ids, _) = try await Self.live("alice", 1, on: node, database)
            let (bob, _, messages) = try await Self.live("bob", 1, on: node, database)
            try await database.connection.run("begin; select belfry.cancel(\(ids[0]))")
            try await alice.send("UNSUBSCRIBE\nid:0\n\n\0")
            // What was made before it is written, or held, when his is.
            try await bob.acknowledgeDurably(messages[0])
            try await Self.minutesPass(on: node)
            try await alice.subscribe("/user/queue/msg", id: "1")
            #expect(try await alice.message(ids[0]).headers["redelivered"] == "true")
            try await database.connection.run("rollback")
        }
    }

    @Test("What a subscription gave back comes marked redelivered before the mark is committed")
    func givenBackAtOnce() async throws {
        try await TestNode.withDatabase { node, database in
            let (alice, ids, _) = try await Self.live("alice", 1, on: node, database)
            // The mark waits for the table; readings do not.
            try await database.connection.run("begin; lock table belfry.outbox in exclusive mode")
            try await alice.send("UNSUBSCRIBE\nid:0\n\n\0")
            _ = try await node.eventually("the mark waits") { try await database.isSomebodyWaiting() ? true : nil }
            try await alice.subscribe("/user/queue/msg", id: "1")
            #expect(try await alice.message(ids[0]).headers["redelivered"] == "true")
            try await database.connection.run("rollback")
        }
    }
}
