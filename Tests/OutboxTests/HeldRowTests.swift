import BelfryModel
import DatabaseSupport
import Foundation
import Postgres
import Testing

@testable import Outbox

/// No statement waits for a row that an application holds, and what it leaves out is told or done later.
@Suite struct HeldRowTests {
    /// A database with messages 1 to `count` for alice, and an application that holds number 2 by an open cancel.
    private struct Scene {
        let owner: PostgresConnection
        let application: PostgresConnection
        let service: PostgresConnection
        let client: PostgresClient
        let node: NodeStore
        let relay: RelayStore

        init(_ count: Int = 3, topic: Bool = false) async throws {
            let database = try await TestServer.makeDatabase()
            owner = try await database.connect()
            application = try await database.connect()
            service = try await database.connect(role: "test_service")
            // Whoever waits for a lock fails instead.
            try await service.run("set lock_timeout = '200ms'")
            var configuration = try database.configuration(role: "test_service")
            configuration.sessionSettings = ["lock_timeout": "200ms"]
            client = PostgresClient(configuration: configuration, size: 1)
            client.start()
            node = NodeStore(client: client, nodeID: UUID().uuidString.lowercased())
            relay = RelayStore(executor: service, isPrepared: false)
            let column = topic ? "topic" : "receiver"
            try await owner.run(
                """
                insert into belfry.message_log (\(column), type)
                select 'alice', 'JSON_MSG' from generate_series(1, \(count))
                """)
            try await application.run("begin; select belfry.cancel(2)")
        }

        /// Alice's messages as they were handed out.
        func marks(_ ids: ClosedRange<Int64>) async throws -> [DeliveryMark] {
            let rows = try await owner.rows(
                """
                select m.id, o.xid, (date_part('epoch', m.created_at) * 1000000)::bigint
                from belfry.message_log m join belfry.outbox o on o.message_id = m.id
                where m.id between \(ids.lowerBound) and \(ids.upperBound) order by m.id
                """)
            return rows.map { row in
                DeliveryMark(
                    id: MessageID(rawValue: Int64(row[0]) ?? 0), receiver: "alice", xid: UInt64(row[1]) ?? 0,
                    createdAtMicroseconds: Int64(row[2]) ?? 0)
            }
        }

        func statuses() async throws -> [String] {
            try await owner.rows("select status from belfry.message_log order by id").map { $0[0] }
        }

        func queued() async throws -> [String] {
            try await owner.rows("select message_id from belfry.outbox order by 1").map { $0[0] }
        }

        func close() async {
            await client.close()
            for connection in [owner, application, service] { await connection.close() }
        }
    }

    private func written(
        _ body: (@escaping NodeStore.Completion<MarksWritten>) -> Void
    ) async throws -> MarksWritten {
        try await withCheckedThrowingContinuation { continuation in body { continuation.resume(with: $0) } }
    }

    private static let second = MessageID(rawValue: 2)

    @Test(arguments: ["commit", "rollback"]) func `an acknowledgement of a held row comes later`(end: String)
        async throws
    {
        let scene = try await Scene()
        let marks = try await scene.marks(1...3)
        let first = try await written { scene.node.markDelivered(marks, completion: $0) }
        #expect(first.held == [Self.second])
        #expect(first.deliveredAgesSeconds.count == 2)
        #expect(try await scene.statuses() == ["delivered", "pending", "delivered"])
        #expect(try await scene.queued() == ["2"])
        try await scene.application.run(end)
        let second = try await written { scene.node.markDelivered(marks, completion: $0) }
        #expect(second.held.isEmpty)
        #expect(try await scene.statuses()[1] == (end == "commit" ? "cancelled" : "delivered"))
        #expect(try await scene.queued().isEmpty)
        await scene.close()
    }

    /// What is tried first where nobody is known to hold a row.
    @Test func `at once or carefully, the same is marked`() async throws {
        let scene = try await Scene()
        try await scene.application.run("rollback")
        let marks = try await scene.marks(1...3)
        var wrong = marks[2]
        wrong = DeliveryMark(
            id: wrong.id, receiver: "bob", xid: wrong.xid, createdAtMicroseconds: wrong.createdAtMicroseconds)
        try await scene.owner.run(
            """
            update belfry.message_log set status = 'parked' where id = 1;
            insert into belfry.parked values (1, now(), 'x')
            """)
        let free = try await written {
            scene.node.markDelivered([marks[0], marks[1], wrong], carefully: false, completion: $0)
        }
        #expect(free.held.isEmpty && free.deliveredAgesSeconds.count == 2)
        #expect(try await scene.statuses() == ["delivered", "delivered", "pending"])
        #expect(try await scene.queued() == ["3"])
        #expect(try await scene.owner.value("select count(*) from belfry.parked") == "0")
        try await scene.application.run("begin; select belfry.cancel(3)")
        let held = try await written { scene.node.markDelivered(marks, carefully: false, completion: $0) }
        #expect(held.held == [MessageID(rawValue: 3)])
        await scene.close()
    }

    @Test(arguments: [true, false]) func `what is acknowledged is parked no more`(carefully: Bool) async throws {
        let scene = try await Scene()
        try await scene.application.run("rollback")
        let marks = try await scene.marks(1...1)
        try await scene.owner.run(
            """
            update belfry.message_log set status = 'parked' where id = 1;
            insert into belfry.parked (message_id, reason) values (1, 'x');
            delete from belfry.outbox where message_id = 1
            """)
        let written = try await written { scene.node.markDelivered(marks, carefully: carefully, completion: $0) }
        #expect(written.held.isEmpty && written.deliveredAgesSeconds.count == 1)
        #expect(try await scene.statuses()[0] == "delivered")
        #expect(try await scene.owner.value("select count(*) from belfry.parked") == "0")
        await scene.close()
    }

    /// The owner of the schema may hold rows of the log alone, say by a long deletion.
    @Test func `a row held in the log alone is left out as well`() async throws {
        let scene = try await Scene()
        try await scene.application.run(
            "rollback; begin; update belfry.message_log set viewed_at = now() where id = 3")
        let marks = try await scene.marks(1...3)
        let written = try await written { scene.node.markDelivered(marks, completion: $0) }
        #expect(written.held == [MessageID(rawValue: 3)])
        #expect(try await scene.queued() == ["3"])
        await scene.close()
    }

    @Test func `a mark names receiver and time as well`() async throws {
        let scene = try await Scene()
        let mark = try #require(try await scene.marks(1...1).first)
        let others = [
            DeliveryMark(id: mark.id, receiver: "bob", xid: 1, createdAtMicroseconds: mark.createdAtMicroseconds),
            DeliveryMark(id: mark.id, receiver: "", xid: 1, createdAtMicroseconds: mark.createdAtMicroseconds),
            DeliveryMark(id: mark.id, receiver: "alice", xid: 1, createdAtMicroseconds: mark.createdAtMicroseconds + 1),
        ]
        let written = try await written { scene.node.markDelivered(others, completion: $0) }
        #expect(written.held.isEmpty && written.deliveredAgesSeconds.isEmpty)
        #expect(try await scene.statuses()[0] == "pending")
        await scene.close()
    }

    @Test(arguments: [1, 5]) func `a refusal of a held row comes later`(nacksMax: Int) async throws {
        let scene = try await Scene()
        let marks = try await scene.marks(1...2)
        func refuse() async throws -> MarksWritten {
            try await written {
                scene.node.refuse(marks, delay: .seconds(60), nacksMax: nacksMax, completion: $0)
            }
        }
        let first = try await refuse()
        #expect(first.held == [Self.second])
        #expect(first.parked.count == (nacksMax == 1 ? 1 : 0))
        try await scene.application.run("rollback")
        let second = try await refuse()
        #expect(second.held.isEmpty)
        let refused = try await scene.owner.rows(
            nacksMax == 1
                ? "select message_id, attempts from belfry.parked order by 1"
                : "select message_id, attempts from belfry.outbox where not_before is not null order by 1")
        #expect(refused == [["1", "1"], ["2", "1"]], "and each is counted once")
        await scene.close()
    }

    /// The commit of a statement may not be seen, and it is sent once more.
    @Test func `a refusal that is repeated counts once`() async throws {
        let scene = try await Scene()
        let marks = try await scene.marks(1...1)
        func refuse() async throws {
            _ = try await written { scene.node.refuse(marks, delay: .zero, nacksMax: 5, completion: $0) }
        }
        try await refuse()
        try await refuse()
        #expect(try await scene.relay.releaseDue() == 1)
        try await refuse()
        let row = try await scene.owner.rows(
            "select attempts, redelivered, not_before is null from belfry.outbox where message_id = 1")
        #expect(row == [["1", "t", "t"]], "it comes again by its new stamp, marked")
        await scene.close()
    }

    @Test func `a refusal of a message that is gone from the log ends its row`() async throws {
        let scene = try await Scene()
        let marks = try await scene.marks(1...3).filter { $0.id != Self.second }
        try await scene.owner.run("delete from belfry.message_log where id = 1")
        let written = try await written {
            scene.node.refuse(marks, delay: .zero, nacksMax: 1, completion: $0)
        }
        #expect(written.orphans == [MessageID(rawValue: 1)])
        #expect(written.parked.count == 1)
        #expect(try await scene.queued() == ["2"])
        await scene.close()
    }

    @Test func `a session's row stays until its messages are marked`() async throws {
        let scene = try await Scene()
        let session = UUID().uuidString.lowercased()
        let other = UUID().uuidString.lowercased()
        try await scene.owner.run(
            """
            insert into belfry.session (id, node_id, receiver) values
                ('\(session)', gen_random_uuid(), 'alice'), ('\(other)', gen_random_uuid(), 'alice')
            """)
        let ends = [
            SessionEnd(
                sessionID: session, receiver: "alice", unacknowledged: [MessageID(rawValue: 1), Self.second]),
            SessionEnd(sessionID: other, receiver: "alice", unacknowledged: [MessageID(rawValue: 3)]),
        ]
        let first = try await written { scene.node.closeSessions(ends, completion: $0) }
        #expect(first.held == [Self.second])
        #expect(try await scene.owner.value("select id from belfry.session") == session)
        try await scene.application.run("rollback")
        _ = try await written { scene.node.closeSessions(ends, completion: $0) }
        #expect(try await scene.owner.value("select count(*) from belfry.session") == "0")
        #expect(try await scene.owner.value("select bool_and(redelivered) from belfry.outbox") == "t")
        await scene.close()
    }

    // MARK: The relay

    @Test func `a dead node's sessions stay until their messages are marked`() async throws {
        let scene = try await Scene()
        try await scene.owner.run(
            """
            insert into belfry.node (id, host, pid, listen, heartbeat_at)
            values ('00000000-0000-0000-0000-00000000000a', 'gone', 1, 'l', now() - interval '1 hour');
            insert into belfry.session (id, node_id, receiver, opened_at) values
                (gen_random_uuid(), '00000000-0000-0000-0000-00000000000a', 'alice', now() - interval '1 hour'),
                (gen_random_uuid(), '00000000-0000-0000-0000-00000000000a', 'bob', now() - interval '1 hour')
            """)
        let first = try await scene.relay.removeDeadNodes()
        #expect((first.nodes, first.sessions, first.messages) == (1, 1, 2))
        #expect(try await scene.owner.value("select receiver from belfry.session") == "alice")
        try await scene.application.run("rollback")
        let second = try await scene.relay.removeDeadNodes()
        #expect((second.nodes, second.sessions, second.messages) == (0, 1, 1))
        await scene.close()
    }

    @Test func `the cursor moves past a broadcast that is held, and its time is noted later`() async throws {
        let scene = try await Scene(topic: true)
        let term = try #require(try await scene.relay.takeOver(relay: "test", isDirect: true))
        let page = try await scene.relay.page(after: term.cursor)
        let advance = try await scene.relay.advance(
            to: RelayCursor(snapshot: page.target), broadcasts: page.rows.map { page.messageID($0) }, term: term.number)
        #expect(advance == .withoutSomeBroadcasts)
        #expect(try await scene.relay.notePublishedBroadcasts() == 1)
        try await scene.application.run("rollback")
        #expect(try await scene.relay.notePublishedBroadcasts() == 0)
        #expect(try await scene.owner.value("select count(*) from belfry.outbox where published_at is null") == "0")
        await scene.close()
    }

    @Test func `what is due and held is expired, settled and parked later`() async throws {
        let scene = try await Scene()
        try await scene.owner.run(
            "update belfry.outbox set expires_at = now() - interval '1 second' where message_id <> 2")
        try await scene.application.run(
            "rollback; begin; update belfry.message_log set viewed_at = now() where id = 1")
        #expect(try await scene.relay.expireDue() == 1)
        #expect(try await scene.statuses() == ["pending", "pending", "expired"])
        let xid = try await scene.marks(2...2)[0].xid
        try await scene.application.run("commit; begin; select belfry.cancel(2)")
        #expect(try await scene.relay.expireDue() == 1)
        let failure = try await scene.relay.recordFailure(
            Self.second, xid: xid, reason: "too large", attemptsMax: 1, delay: .zero)
        #expect(failure == .held)
        try await scene.application.run("rollback")
        #expect(
            try await scene.relay.recordFailure(
                Self.second, xid: xid, reason: "too large", attemptsMax: 1, delay: .zero) == .parked)
        try await scene.application.run("begin; select belfry.cancel(2)")
        _ = try await scene.relay.countMessages()
        await scene.close()
    }

    // MARK: Another cluster

    @Test func `starting over goes in batches, leaves out what is held, and is gone on with by the next leader`()
        async throws
    {
        let scene = try await Scene(45_000)
        try await scene.owner.run("update belfry.relay_cursor set system_identifier = 42")
        let first = try #require(try await scene.relay.takeOver(relay: "first", isDirect: false))
        #expect(first.mustStartOver)
        // It dies after its first batch.
        let snapshot = try await scene.service.execute(RestartStatements.list).string(0, 0)
        _ = try await scene.service.execute(
            RestartStatements.begin, [.int64(first.number), .text("4"), .text(snapshot)])
        _ = try await scene.service.execute(RestartStatements.stamp, [.int64(0), .text("4")])
        let left = try await scene.owner.value("select count(*) from belfry.restart")
        #expect(left == String(45_000 - RestartStatements.batchRows + 1))
        try await scene.owner.run("update belfry.relay_cursor set leader_seen_at = null")
        // Committed after the listing: it keeps its own transaction id, and comes after the others.
        try await scene.owner.run("insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG')")

        let second = try #require(try await scene.relay.takeOver(relay: "second", isDirect: false))
        #expect(second.mustStartOver)
        let cursor = try #require(try await scene.relay.startOver(term: second.number))
        #expect(
            try await scene.owner.rows(
                "select xid, count(*) from belfry.outbox group by 1 order by count(*) desc limit 1")
                == [["4", "44999"]], "the second leader went on with the first one's stamp")
        #expect(try await scene.owner.rows("select message_id from belfry.restart") == [["2"]])
        #expect(try await scene.relay.dues(topicHold: .seconds(60)).hasRest)
        #expect(try await scene.relay.stampRest() == 0)
        try await scene.application.run("rollback")
        #expect(try await scene.relay.stampRest() == 1)
        #expect(try await !scene.relay.dues(topicHold: .seconds(60)).hasRest)

        // Everything comes from that cursor, once.
        var (ids, position): ([Int64], RelayCursor) = ([], cursor)
        while true {
            let page = try await scene.relay.page(after: position)
            ids += page.rows.map { page.messageID($0).rawValue }
            guard !page.isLast, let last = page.rows.last else { break }
            position = RelayCursor(
                snapshot: cursor.snapshot,
                step: .init(target: page.target, xid: page.xid(last), messageID: page.messageID(last).rawValue))
        }
        #expect(ids.count == 45_001)
        #expect(Set(ids) == Set(1...45_001))
        #expect(Array(ids.suffix(2)) == [45_001, 2])
        await scene.close()
    }
}
