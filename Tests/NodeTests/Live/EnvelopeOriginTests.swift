import BelfryModel
import Bus
import DatabaseSupport
import NIOCore
import Outbox
import STOMP
import Testing

@testable import Node

/// Whose a message is: which installation's, in which incarnation of PostgreSQL, by which leader.
@Suite struct EnvelopeOriginTests {
    private static func with(_ body: (TestNode, Application) async throws -> Void) async throws {
        try await with { node, database, _ in try await body(node, database) }
    }

    private static func with(_ body: (TestNode, Application, String) async throws -> Void) async throws {
        let url = try await TestServer.makeDatabase().url
        let database = try await Application.connect(url)
        var limits = Limits()
        limits.reconcileInterval = .seconds(3_600)
        try await TestNode.with(limits: limits, databaseURL: url) { node in
            try await body(node, database, url)
        }
        await database.connection.close()
    }

    private static func id(_ frame: Frame) -> Int64? { frame.headers["message-id"].flatMap { Int64($0) } }

    private func subscribed(_ user: String, on node: TestNode) async throws -> TestClient {
        let client = try await node.connect(as: user)
        try await client.subscribe("/user/queue/msg", headers: "receipt:sub\n")
        _ = try await client.frame(.receipt)
        try await node.isLive(.user(user))
        return client
    }

    /// Publishes a row as the relay would, or as another would.
    private func publish(_ id: Int64, _ database: Application, _ node: TestNode, from origin: Envelope.Origin? = nil)
        async throws
    {
        try await node.publish(
            id, to: .user("alice"), xid: try await database.xid(id), createdAt: try await database.createdAt(id),
            from: origin)
    }

    @Test func anotherInstallationsMessageReachesNobody() async throws {
        try await Self.with { node, database in
            let client = try await subscribed("alice", on: node)
            let stranger = Envelope.Origin(
                installation: UniqueID(high: 9, low: 9), incarnation: node.origin.incarnation, term: 1)
            try await node.publish(77, to: .user("alice"), xid: 1 << 40, from: stranger)
            let own = try await database.notify("alice")
            try await publish(own, database, node)
            #expect(Self.id(try await client.frame(.message)) == own)
            #expect(client.frames.count { $0.command == .message } == 1)
        }
    }

    /// What a leader publishes that was superseded without knowing it.
    @Test func aLowerTermsMessageReachesNobody() async throws {
        try await Self.with { node, database in
            let client = try await subscribed("alice", on: node)
            let worker = node.worker
            try await node.loop.executeInContext {
                worker.origins.heartBeatAnswered(
                    incarnation: worker.origins.incarnation, term: 5, transaction: 1)
            }
            let late = try await database.notify("alice")
            try await publish(late, database, node)
            let next = try await database.notify("alice")
            let present = Envelope.Origin(
                installation: node.origin.installation, incarnation: node.origin.incarnation, term: 6)
            try await publish(next, database, node, from: present)
            #expect(Self.id(try await client.frame(.message)) == next)
            #expect(try await node.loop.executeInContext { worker.origins.term } == 6)
        }
    }

    /// The files of a backup, copied while PostgreSQL was stopped, hold fewer terms and the same incarnation.
    @Test func whereDatabaseWasPutBackTheLowerTermLeads() async throws {
        try await Self.with { node, database in
            let client = try await subscribed("alice", on: node)
            let worker = node.worker
            func beat(term: Int64, transaction: Int64) async throws {
                try await node.loop.executeInContext {
                    worker.origins.heartBeatAnswered(
                        incarnation: worker.origins.incarnation, term: term, transaction: transaction)
                }
            }
            try await beat(term: 5, transaction: 700)
            // It waits in the outbox, and is read from there again.
            let waiting = try await database.notify("alice")
            try await beat(term: 2, transaction: 600)
            #expect(Self.id(try await client.frame(.message)) == waiting)
            let present = Envelope.Origin(
                installation: node.origin.installation, incarnation: node.origin.incarnation, term: 3)
            let live = try await database.notify("alice")
            try await publish(live, database, node, from: present)
            #expect(Self.id(try await client.frame(.message)) == live)
            #expect(try await node.loop.executeInContext { worker.origins.term } == 3)
        }
    }

    /// A crash empties `belfry.incarnation`: transaction ids are given out again, and old snapshots see what is new.
    @Test func afterACrashWhatTheOldSnapshotSeesComesInOrder() async throws {
        try await Self.with { node, database in
            let client = try await subscribed("alice", on: node)
            try await database.connection.run("delete from belfry.incarnation")
            let ids = [try await database.notify("alice"), try await database.notify("alice")]
            let reborn = try await database.value("select belfry.present_incarnation()").flatMap { UniqueID($0) }
            let origin = Envelope.Origin(
                installation: node.origin.installation, incarnation: try #require(reborn), term: 1)
            // The first has a transaction id that the snapshot of the reading sees, given out a second time.
            for (id, xid) in zip(ids, [3, try await database.xid(ids[1])]) {
                try await node.publish(
                    id, to: .user("alice"), xid: xid, createdAt: try await database.createdAt(id), from: origin)
            }
            #expect(Self.id(try await client.frame(.message)) == ids[0])
            #expect(Self.id(try await client.frame(.message)) == ids[1])
        }
    }

    /// An id that was given out twice: the first message was lost by the crash, and the client has it in flight.
    @Test func anAckOfALostMessageDoesNotMarkTheOneUnderItsID() async throws {
        try await Self.with { node, database in
            let client = try await subscribed("alice", on: node)
            try await node.publish(1, to: .user("alice"), xid: 1 << 40, createdAt: 5)
            let lost = try await client.frame(.message)
            let id = try await database.notify("alice")
            #expect(id == 1)
            try await client.send("ACK\nid:\(lost.headers["ack"] ?? "")\nreceipt:r\n\n\0")
            _ = try await client.frame(.receipt)
            #expect(try await database.status(1) == "pending")
            try await database.connection.run("delete from belfry.incarnation")
            let worker = node.worker
            let reborn = try await database.value("select belfry.present_incarnation()").flatMap { UniqueID($0) }
            try await node.loop.executeInContext { _ = worker.origins.adopt(reborn) }
            #expect(Self.id(try await client.frame(.message)) == 1)
        }
    }

    @Test func afterACrashWhatIsNotMarkedYetIsNotShownAgain() async throws {
        try await Self.with { node, database, url in
            let client = try await subscribed("alice", on: node)
            let ids = [try await database.notify("alice"), try await database.notify("alice")]
            for id in ids { try await publish(id, database, node) }
            let messages = [try await client.frame(.message), try await client.frame(.message)]
            // The mark of the first cannot be written: an application holds its row.
            let application = try await Application.connect(url)
            try await application.connection.run("begin; select belfry.cancel(\(ids[0]))")
            try await client.send("ACK\nid:\(messages[0].headers["ack"] ?? "")\n\n\0")
            await node.loop.advanceTime(by: .milliseconds(50))
            let worker = node.worker
            try await node.loop.executeInContext { _ = worker.origins.adopt(UniqueID(high: 7, low: 7)) }
            try await application.connection.run("rollback")
            let third = try await database.notify("alice")
            try await publish(third, database, node)
            _ = try await node.eventually("the third comes") {
                try await client.read()
                return client.frames.contains { Self.id($0) == third } ? true : nil
            }
            #expect(client.frames.filter { $0.command == .message }.compactMap(Self.id) == ids + [third])
            await application.connection.close()
        }
    }

    // MARK: The lease

    /// A node that PostgreSQL has not heard from is about to be taken for dead: what it hands out now nobody would
    /// mark.
    @Test func withoutAHeartBeatNothingLiveIsHandedOut() async throws {
        try await Self.with { node, database in
            let client = try await subscribed("alice", on: node)
            let lease = node.context.lease
            lease.renew(sentAt: .now() - NodeLease.length)
            let id = try await database.notify("alice")
            try await publish(id, database, node)
            try await client.read()
            #expect(client.frames.count { $0.command == .message } == 0)
            lease.renew(sentAt: .now())
            let worker = node.worker
            try await node.loop.executeInContext {
                let origins = worker.origins
                origins.heartBeatAnswered(incarnation: origins.incarnation, term: origins.term, transaction: 1)
            }
            #expect(Self.id(try await client.frame(.message)) == id, "it is read from the outbox")
        }
    }

    // MARK: Redelivered

    /// Taken for dead and heard again, a node's sessions may end before their rows are written again.
    @Test func aSessionWhoseRowWasRemovedStillMarksWhatItLeaves() async throws {
        try await Self.with { node, database in
            let client = try await subscribed("alice", on: node)
            let id = try await database.notify("alice")
            try await publish(id, database, node)
            _ = try await client.frame(.message)
            try await database.connection.run("delete from belfry.session")
            let worker = node.worker
            let channel = client.channel
            try await node.loop.executeInContext {
                worker.forgotten()
                channel.pipeline.fireChannelInactive()
            }
            _ = try await node.eventually("it is marked") {
                try await database.value("select redelivered::text from belfry.outbox") == "true" ? true : nil
            }
        }
    }

    /// The reading of the second subscription may have begun before the mark of the first one's end was committed.
    @Test func whatASubscriptionGaveBackComesMarkedHoweverEarlyItIsRead() async throws {
        try await Self.with { node, database in
            let client = try await subscribed("alice", on: node)
            let ids = [try await database.notify("alice"), try await database.notify("alice")]
            for id in ids { try await publish(id, database, node) }
            for _ in ids { _ = try await client.frame(.message) }
            try await client.send(
                "UNSUBSCRIBE\nid:0\n\n\0SUBSCRIBE\nid:1\ndestination:/user/queue/msg\nack:client-individual\n\n\0")
            for id in ids {
                let again = try await client.frame(.message)
                #expect(Self.id(again) == id)
                #expect(again.headers["redelivered"] == "true")
            }
        }
    }
}
