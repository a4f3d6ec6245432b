import BelfryModel
import DatabaseSupport
import Foundation
import NIOConcurrencyHelpers
import NIOCore
import PrivateServers
import STOMP
import Testing

@testable import Node

/// PostgreSQL goes away under a worker and comes back.
@Suite("A worker whose PostgreSQL fails")
struct WorkerFaultTests {
    private static func with(
        _ body: (TestNode, Application, PrivatePostgres, String) async throws -> Void
    ) async throws {
        let server = try await TestServer.startOwn()
        let url = try await TestServer.makeDatabase(on: server).url
        let database = try await Application.connect(url)
        try await TestNode.with(databaseURL: url) { node in try await body(node, database, server, url) }
        await server.stop()
    }

    /// Tried again: a process that another test starts in this moment holds the directory's lock until it has begun.
    static func restart(_ server: PrivatePostgres) async throws {
        let limit = ContinuousClock.now + .seconds(10)
        while true {
            do {
                return try await server.restart()
            } catch {
                guard ContinuousClock.now < limit else { throw error }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    @Test("Who came while it was away gets his backlog, also when who came before him has left")
    func readersWait() async throws {
        try await Self.with { node, database, server, _ in
            let id = try await database.notify("bob")
            server.kill()
            _ = try await node.eventually("the pool knows") { node.context.store.isAvailable ? nil : true }
            let worker = node.worker
            let alice = try await node.connect(as: "alice")
            let bob = try await node.connect(as: "bob")
            // Her reading waits for a connection for a second; he gets in line behind her.
            try await alice.subscribe("/user/queue/msg")
            _ = try await node.eventually("alice's backlog is being read") {
                try await node.loop.executeInContext { worker.backlogs.readingSince != nil ? true : nil }
            }
            try await bob.subscribe("/user/queue/msg")
            _ = try await node.eventually("he is in line") {
                try await node.loop.executeInContext {
                    worker.backlogs.waitingCount == 1 || worker.backlogs.readingSince == nil ? true : nil
                }
            }
            // The failure comes with nobody moving the loop's time, so that she can leave before the next try.
            let limit = ContinuousClock.now + .seconds(10)
            while try await node.loop.executeInContext({ worker.backlogs.readingSince != nil }),
                ContinuousClock.now < limit
            {
                try await Task.sleep(for: .milliseconds(5))
            }
            try await alice.vanish()
            try await Self.restart(server)
            #expect(try await bob.frame(.message).headers["message-id"] == String(id))
        }
    }

    @Test("A session whose first reading failed has its row before it gets a message")
    func sessionRow() async throws {
        try await Self.with { node, database, server, url in
            let id = try await database.notify("bob")
            server.kill()
            let bob = try await node.connect(as: "bob")
            try await bob.subscribe("/user/queue/msg")
            let worker = node.worker
            _ = try await node.eventually("a reading has failed") {
                try await node.loop.executeInContext {
                    worker.sessions.all.contains { worker.backlogs.rowState(of: $0.id) == .uncertain } ? true : nil
                }
            }
            try await Self.restart(server)
            #expect(try await bob.frame(.message).headers["message-id"] == String(id))
            let after = try await Application.connect(url)
            // Were the node killed now, this row would tell that the message may have been seen.
            #expect(try await after.value("select count(*) from belfry.session where receiver = 'bob'") == "1")
            await after.connection.close()
        }
    }

    @Test("Acknowledgements made while it was away are written when it is back, and their RECEIPTs wait")
    func marksWait() async throws {
        try await Self.with { node, database, server, url in
            let id = try await database.notify("alice")
            let client = try await node.connect(as: "alice")
            try await client.subscribe("/user/queue/msg")
            let message = try await client.frame(.message)
            server.kill()
            try await client.send("ACK\nid:\(message.headers["ack"] ?? "")\nreceipt:late\n\n\0")
            await node.loop.advanceTime(by: .seconds(1))
            try await client.read()
            #expect(client.frames.count == 2)
            #expect(client.channel.isActive)
            try await Self.restart(server)
            _ = try await client.frame(.receipt)
            let after = try await Application.connect(url)
            #expect(try await after.status(id) == "delivered")
            await after.connection.close()
        }
    }

    @Test("A worker that stops without PostgreSQL does not wait for it for ever")
    func stopWithoutPostgres() async throws {
        let node = try await TestNode()
        let client = try await node.connect(as: "alice")
        try await client.subscribe("/topic/news")
        try await node.isOpen(.topic("news"))
        try await node.publish(1, to: .topic("news"))
        let message = try await client.frame(.message)
        try await client.send("ACK\nid:\(message.headers["ack"] ?? "")\n\n\0")
        let isStopped = NIOLockedValueBox(false)
        let worker = node.worker
        try await node.loop.executeInContext {
            worker.stop().whenComplete { _ in isStopped.withLockedValue { $0 = true } }
        }
        try await client.expectError(.shuttingDown)
        #expect(!isStopped.withLockedValue { $0 }, "the mark is still to be written")
        await node.loop.advanceTime(by: .seconds(6))
        #expect(isStopped.withLockedValue { $0 })
        await node.postgres.close()
    }
}
