import BelfryModel
import NIOCore
import Testing

@testable import Node

/// The rows of `belfry.session`: after a `kill -9` they tell which messages may have been seen.
@Suite("A session's row in PostgreSQL")
struct SessionRowTests {
    @Test("A node that was taken for dead writes the rows of its sessions again")
    func takenForDead() async throws {
        try await TestNode.withDatabase { node, database in
            try await node.withHeartBeats {
                _ = try await node.eventually("the node's row is there") {
                    try await database.value("select count(*) from belfry.node") == "1" ? true : nil
                }
                let client = try await node.connect(as: "alice")
                try await client.subscribe("/user/queue/msg")
                _ = try await node.eventually("the session's row is there") {
                    try await database.sessionRows(of: "alice") == "1" ? true : nil
                }
                try await database.connection.run("delete from belfry.node; delete from belfry.session")
                _ = try await node.eventually("both are there again") {
                    let nodes = try await database.value("select count(*) from belfry.node")
                    return try await database.sessionRows(of: "alice") == "1" && nodes == "1" ? true : nil
                }
                let id = try await database.notify("alice")
                try await node.publish(row: id, of: "alice", in: database)
                try await client.message(id)
            }
        }
    }

    @Test("Who could not tell for long that it lives writes them again, though nobody says that they went")
    func answerLost() async throws {
        try await TestNode.withDatabase { node, database in
            try await node.withHeartBeats {
                let client = try await node.connect(as: "alice")
                try await client.subscribe("/user/queue/msg")
                _ = try await node.eventually("the session's row is there, and the node's") {
                    let nodes = try await database.value("select count(*) from belfry.node")
                    return try await database.sessionRows(of: "alice") == "1" && nodes == "1" ? true : nil
                }
                // The heart-beat that made the node's row anew was answered to nobody.
                try await database.connection.run("delete from belfry.session")
                node.context.lease.renew(sentAt: .now() - NodeLease.length - .seconds(1))
                _ = try await node.eventually("her row is there again") {
                    try await database.sessionRows(of: "alice") == "1" ? true : nil
                }
            }
        }
    }

    @Test("A client that vanishes during its first reading leaves no row")
    func vanishesWhileOpening() async throws {
        try await TestNode.withDatabase { node, database in
            let id = try await database.notify("bob")
            let alice = try await node.connect(as: "alice")
            let bob = try await node.connect(as: "bob")
            try await database.connection.run("begin; lock table belfry.session")
            try await alice.subscribe("/user/queue/msg")
            _ = try await node.eventually("her reading waits") {
                try await database.isSomebodyWaiting() ? true : nil
            }
            try await alice.vanish()
            try await bob.subscribe("/user/queue/msg")
            try await database.connection.run("rollback")
            // His reading comes after hers, which has written her row.
            try await bob.message(id)
            _ = try await node.eventually("her row is gone") {
                try await database.sessionRows(of: "alice") == "0" ? true : nil
            }
            #expect(try await database.sessionRows(of: "bob") == "1")
        }
    }
}
