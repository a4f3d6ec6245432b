import BelfryModel
import DatabaseSupport
import Foundation
import Postgres
import Testing

@testable import Outbox

@Suite struct NodeStoreTests {
    /// Reads pages until the last one, as a node does for one subscription.
    private func readAll(_ store: NodeStore, receiver: String, rowsMax: Int) async throws -> [[MessageID]] {
        var pages: [[MessageID]] = []
        var after = MessageID(rawValue: 0)
        var snapshot: TransactionSnapshot?
        while true {
            let read = BacklogRead(
                receiver: receiver, after: after, snapshot: snapshot, covered: nil, sessionID: UUID().uuidString)
            let page = try await withCheckedThrowingContinuation { continuation in
                store.readBacklog([read], opening: [], rowsMax: rowsMax) { continuation.resume(with: $0) }
            }
            snapshot = snapshot ?? page.snapshot
            let ids = page.rows.map(page.messageID)
            pages.append(ids)
            if page.isLast(page.rows, rowsMax: rowsMax) { return pages }
            after = try #require(ids.last)
        }
    }

    private func withStore(_ body: (NodeStore, PostgresConnection) async throws -> Void) async throws {
        let database = try await TestServer.makeDatabase()
        let owner = try await database.connect()
        let client = PostgresClient(configuration: try database.configuration(role: "test_service"), size: 1)
        client.start()
        try await body(NodeStore(client: client, nodeID: UUID().uuidString.lowercased()), owner)
        await client.close()
        await owner.close()
    }

    @Test func aPageOfLargeMessagesEndsEarlyAndNothingIsLeftOut() async throws {
        try await withStore { store, owner in
            // Random text, so that compression does not make it small.
            try await owner.run(
                """
                insert into belfry.message_log (receiver, type, data)
                select 'alice', 'STRING_MSG', to_jsonb((
                    select string_agg(md5(random()::text || n || m), '') from generate_series(1, 4000) m))
                from generate_series(1, 20) n
                """)
            let pages = try await readAll(store, receiver: "alice", rowsMax: 100)
            #expect(pages.count > 3)
            #expect(pages.allSatisfy { $0.count < 20 && !$0.isEmpty })
            #expect(pages.flatMap { $0 } == (1...20).map { MessageID(rawValue: $0) })
        }
    }

    @Test func fullPagesAreFollowedByTheRest() async throws {
        try await withStore { store, owner in
            try await owner.run(
                "insert into belfry.message_log (receiver, type) select 'alice', 'JSON_MSG' from generate_series(1, 25)"
            )
            #expect(try await readAll(store, receiver: "alice", rowsMax: 10).map(\.count) == [10, 10, 5])
            #expect(try await readAll(store, receiver: "nobody", rowsMax: 10).map(\.count) == [0])
        }
    }

    /// What a reading's snapshot does not see is not its business, however late its pages are read.
    @Test func laterPagesKeepToTheFirstSnapshot() async throws {
        try await withStore { store, owner in
            try await owner.run(
                "insert into belfry.message_log (receiver, type) select 'alice', 'JSON_MSG' from generate_series(1, 5)")
            let read = BacklogRead(
                receiver: "alice", after: MessageID(rawValue: 0), snapshot: nil, covered: nil,
                sessionID: UUID().uuidString)
            let first = try await withCheckedThrowingContinuation { continuation in
                store.readBacklog([read], opening: [], rowsMax: 3) { continuation.resume(with: $0) }
            }
            try await owner.run("insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG')")
            let snapshot = try #require(first.snapshot)
            let rest = BacklogRead(
                receiver: "alice", after: MessageID(rawValue: 3), snapshot: snapshot, covered: nil,
                sessionID: UUID().uuidString)
            let later = BacklogRead(
                receiver: "alice", after: MessageID(rawValue: 0), snapshot: nil, covered: snapshot,
                sessionID: UUID().uuidString)
            let both = try await withCheckedThrowingContinuation { continuation in
                store.readBacklog([rest, later], opening: [], rowsMax: 10) { continuation.resume(with: $0) }
            }
            #expect(both.rows.filter { both.read($0) == 0 }.map(both.messageID).map(\.rawValue) == [4, 5])
            #expect(both.rows.filter { both.read($0) == 1 }.map(both.messageID).map(\.rawValue) == [6])
        }
    }

    @Test func backlogAndReconcileWalkTheReceiversIndex() async throws {
        try await withStore { _, owner in
            try await owner.run(
                """
                insert into belfry.message_log (receiver, type)
                select 'user' || n % 1000, 'JSON_MSG' from generate_series(1, 100000) n
                """)
            try await owner.run("analyze belfry.outbox; analyze belfry.message_log")
            let backlog = try await plan(
                NodeStatements.readBacklog, owner,
                """
                '00000000-0000-0000-0000-000000000001', '{}', '{}', '{user7,user8}', '{0,0}', '{"",""}', '{"",""}',
                '{00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-000000000002}', 100
                """)
            let counted = try await plan(
                NodeStatements.countAndReadBacklog, owner,
                """
                '00000000-0000-0000-0000-000000000001', '{}', '{}', '{user7,user8}', '{0,0}', '{"",""}', '{"",""}',
                '{00000000-0000-0000-0000-000000000001,00000000-0000-0000-0000-000000000002}', 100, '{1,2}'
                """)
            for backlog in [backlog, counted] {
                #expect(backlog.contains("Index Scan using outbox_receiver"), "\(backlog)")
                #expect(
                    !backlog.contains("Seq Scan on outbox") && !backlog.contains("Seq Scan on message_log"),
                    "\(backlog)")
            }
            let reconcile = try await plan(
                NodeStatements.reconcile, owner, "'{user7,user8}', '{news}', '{\"\"}', '{0}', 100, true, '{0}'")
            #expect(reconcile.contains("outbox_receiver") && reconcile.contains("outbox_topic"), "\(reconcile)")
            #expect(!reconcile.contains("Seq Scan on outbox"), "\(reconcile)")
            let marks = try await plan(
                NodeMarkStatements.markDelivered, owner, "'{1,2,3}', '{a,a,a}', '{1,1,1}'")
            #expect(!marks.contains("Seq Scan on outbox") && !marks.contains("Seq Scan on message_log"), "\(marks)")
        }
    }

    @Test func plansMadeWhileTheTablesWereEmptyUseTheIndexes() async throws {
        let database = try await TestServer.makeDatabase()
        var configuration = try database.configuration()
        configuration.sessionSettings = OutboxPlanning.sessionSettings
        let connection = try await PostgresConnection.connect(configuration)
        // As autovacuum leaves them on a quiet day.
        try await connection.run("vacuum analyze belfry.outbox, belfry.message_log, belfry.session, belfry.parked")
        let id = "'00000000-0000-0000-0000-000000000001'"
        let plans = [
            try await plan(
                NodeStatements.readBacklog, connection,
                "\(id), '{}', '{}', '{a}', '{0}', '{\"\"}', '{\"\"}', '{00000000-0000-0000-0000-000000000001}', 100"),
            try await plan(
                NodeStatements.reconcile, connection, "'{a}', '{news}', '{\"\"}', '{0}', 100, true, '{0}'"),
            try await plan(NodeMarkStatements.markDelivered, connection, "'{1,2,3}', '{a,a,a}', '{1,1,1}'"),
            try await plan(NodeMarkStatements.markDeliveredAtOnce, connection, "'{1,2,3}', '{a,a,a}', '{1,1,1}'"),
            try await plan(RelayStatements.page(rows: 100), connection, "'5:5:', null, '0', 0"),
            try await plan(
                NodeStatements.countAndReadBacklog, connection,
                """
                \(id), '{}', '{}', '{a}', '{0}', '{""}', '{""}', '{00000000-0000-0000-0000-000000000001}', 100, '{1}'
                """),
        ]
        let marks = [
            plans[2], plans[3],
            try await plan(
                NodeMarkStatements.refuse, connection, "'{1,2,3}', '{a,a,a}', '{1,1,1}', 1000, 5"),
            try await plan(
                NodeMarkStatements.closeSessions, connection,
                "'{00000000-0000-0000-0000-000000000001}', '{1,2,3}', '{a,a,a}', '{\"\",\"\",\"\"}'"),
        ]
        for plan in marks {
            let scans = plan.split(separator: "\n").filter { $0.contains("outbox") && $0.contains("Index Scan") }
            #expect(!scans.isEmpty && scans.allSatisfy { $0.contains("using outbox_pkey") }, "\(plan)")
        }
        for plan in plans {
            for table in ["outbox", "message_log", "session", "parked"] {
                #expect(!plan.contains("Seq Scan on \(table)"), "\(plan)")
            }
            #expect(!plan.contains("Bitmap"), "\(plan)")
        }
        await connection.close()
    }

    @Test(arguments: [
        // A relay at work has its rows to itself, unless the bus is away or the relay has not moved.
        ("clock_timestamp()", true, 0), ("clock_timestamp()", false, 1),
        ("clock_timestamp() - interval '3 seconds'", true, 1), ("null", true, 1),
    ])
    func reconcileLeavesTheRelayItsRows(advancedAt: String, isBusAvailable: Bool, rows: Int) async throws {
        try await withStore { store, owner in
            try await owner.run(
                "update belfry.relay_cursor set snapshot = pg_current_snapshot(), advanced_at = \(advancedAt)")
            try await owner.run("insert into belfry.message_log (receiver, type) values ('ann', 'JSON_MSG')")
            func look() async throws -> OutboxListing {
                try await withCheckedThrowingContinuation { continuation in
                    store.reconcile(users: ["ann"], topics: [], rowsMax: 10, isBusAvailable: isBusAvailable) {
                        continuation.resume(with: $0)
                    }
                }
            }
            #expect(try await look().rows.count == rows)
            try await owner.run("update belfry.relay_cursor set snapshot = pg_current_snapshot()")
            #expect(try await look().rows.count == 1)
        }
    }

    /// The generic plan, which a prepared statement ends with.
    private func plan(
        _ statement: PostgresStatement, _ connection: PostgresConnection, _ arguments: String
    ) async throws -> String {
        try await connection.run("set plan_cache_mode = force_generic_plan")
        try await connection.run("prepare planned as \(statement.sql)")
        let lines = try await connection.rows("explain (costs off) execute planned (\(arguments))")
        try await connection.run("deallocate planned")
        return lines.map { $0[0] }.joined(separator: "\n")
    }
}
