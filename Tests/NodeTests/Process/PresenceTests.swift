import BelfryModel
import DatabaseSupport
import NIOCore
import Outbox
import Testing

@testable import Node

/// The sessions of a user are counted over all nodes.
@Suite struct PresenceTests {
    /// Runs `body` with two nodes of one installation that send heart-beats.
    private static func withTwoNodes(
        closesOldest: Bool, _ body: (TestNode, TestNode, Application) async throws -> Void
    ) async throws {
        var limits = Limits()
        limits.sessionsPerUserMax = 2
        limits.closesOldestSession = closesOldest
        let url = try await TestServer.makeDatabase().url
        let database = try await Application.connect(url)
        let nodes = [
            try await TestNode(limits: limits, databaseURL: url),
            try await TestNode(limits: limits, databaseURL: url, nodeID: "00000000-0000-0000-0000-000000000002"),
        ]
        try await nodes[0].withHeartBeats {
            try await nodes[1].withHeartBeats { try await body(nodes[0], nodes[1], database) }
        }
        for node in nodes { await node.stop() }
        await database.close()
    }

    private static func isCounted(_ count: Int, _ node: TestNode, _ database: Application) async throws {
        _ = try await node.eventually("\(count) sessions are counted") {
            try await database.value("select count(*) from belfry.presence where close_reason is null") == "\(count)"
                ? true : nil
        }
    }

    @Test func theOldestIsClosedWhicheverNodeHasIt() async throws {
        try await Self.withTwoNodes(closesOldest: true) { one, two, database in
            let first = try await one.connect(as: "alice")
            try await Self.isCounted(1, one, database)
            let second = try await two.connect(as: "alice")
            try await Self.isCounted(2, two, database)
            let third = try await two.connect(as: "alice")
            // The other node hears of it with its next heart-beat.
            _ = try await two.eventually("it is chosen") {
                try await database.value("select count(*) from belfry.presence where close_reason is not null") == "1"
                    ? true : nil
            }
            try await first.expectError(.tooManySessions)
            try await Self.isCounted(2, one, database)
            let fourth = try await two.connect(as: "alice")
            try await second.expectError(.tooManySessions)
            for client in [third, fourth] {
                try await client.send("SEND\ndestination:/topic/a\nreceipt:r\n\n1\0")
                _ = try await client.frame(.receipt)
            }
            #expect(try await database.value("select count(*) from belfry.session") == "0")
        }
    }

    @Test func theNewOneIsRefused() async throws {
        try await Self.withTwoNodes(closesOldest: false) { one, two, database in
            let first = try await one.connect(as: "alice")
            try await Self.isCounted(1, one, database)
            let second = try await two.connect(as: "alice")
            try await Self.isCounted(2, two, database)
            let third = try await two.connect(as: "alice")
            try await third.expectError(.tooManySessions)
            // Who has gone makes room.
            try await first.vanish()
            try await Self.isCounted(1, one, database)
            let fourth = try await two.connect(as: "alice")
            for client in [second, fourth] {
                try await client.send("SEND\ndestination:/topic/a\nreceipt:r\n\n1\0")
                _ = try await client.frame(.receipt)
            }
        }
    }

    @Test func sessionsOfKilledNodesDoNotCount() async throws {
        try await Self.withTwoNodes(closesOldest: true) { one, two, database in
            let first = try await one.connect(as: "alice")
            try await Self.isCounted(1, one, database)
            // Their node has no row, or none of late.
            try await database.run(
                """
                insert into belfry.presence (id, node_id, receiver, transport)
                select gen_random_uuid(), ('00000000-0000-0000-0000-00000000000' || i)::uuid, 'alice', 'websocket'
                from generate_series(3, 9) i
                """)
            let second = try await two.connect(as: "alice")
            try await Self.isCounted(9, two, database)
            for client in [first, second] {
                try await client.send("SEND\ndestination:/topic/a\nreceipt:r\n\n1\0")
                _ = try await client.frame(.receipt)
            }
        }
    }

    @Test func rowsThatWereLostAreWrittenAnew() async throws {
        try await Self.withTwoNodes(closesOldest: true) { one, _, database in
            let client = try await one.connect(as: "alice")
            try await Self.isCounted(1, one, database)
            try await database.run("truncate belfry.presence")
            let worker = one.worker
            try await one.loop.executeInContext { worker.forgotten() }
            try await Self.isCounted(1, one, database)
            try await client.vanish()
            try await Self.isCounted(0, one, database)
        }
    }

    /// Nobody would remove it for as long as the node lives.
    @Test func aSessionThatEndsWhileItsRowIsToBeWrittenAgainLeavesNone() async throws {
        try await Self.withTwoNodes(closesOldest: false) { one, _, database in
            let client = try await one.connect(as: "alice")
            try await Self.isCounted(1, one, database)
            let worker = one.worker
            try await one.loop.executeInContext {
                worker.forgotten()
                for session in worker.sessions.all { session.transportEnded(.connectionLost) }
            }
            try await Self.isCounted(0, one, database)
            try await client.vanish()
        }
    }

    /// Else a node that was away for a while would have its users' sessions at other nodes closed as the older ones.
    @Test func aRowThatIsWrittenAnewIsAsOldAsItsSession() async throws {
        try await Self.withTwoNodes(closesOldest: true) { one, _, database in
            let store = one.context.store
            let opening = PresenceOpening(
                sessionID: "00000000-0000-0000-0000-000000000009", receiver: "bob", transport: "tcp", address: nil,
                ageMilliseconds: 60_000)
            let isWritten = one.loop.makePromise(of: Void.self)
            store.recordPresence(opened: [opening], ended: []) {
                isWritten.completeWith($0.mapError { $0 as any Error })
            }
            try await isWritten.futureResult.get()
            #expect(
                try await database.value(
                    """
                    select opened_at between clock_timestamp() - interval '90 s' and clock_timestamp() - interval '59 s'
                    from belfry.presence
                    """) == "t")
        }
    }
}
