import BelfryModel
import DatabaseSupport
import Foundation
import Postgres
import Testing

@testable import Outbox

/// How much is unread, counted with a page of backlog.
@Suite struct NodeUnreadTests {
    private func withStore(_ body: (NodeStore, PostgresConnection, TestDatabase) async throws -> Void) async throws {
        let database = try await TestServer.makeDatabase()
        let owner = try await database.connect()
        let client = PostgresClient(configuration: try database.configuration(role: "test_service"), size: 1)
        client.start()
        try await body(NodeStore(client: client, nodeID: UUID().uuidString.lowercased()), owner, database)
        await client.close()
        await owner.close()
    }

    /// - Parameter users: each with whether they are to be counted.
    private func read(
        _ store: NodeStore, _ users: [(String, Bool)], after: Int64 = 0
    ) async throws -> BacklogPages {
        let reads = users.map { user, countsUnread in
            BacklogRead(
                receiver: user, after: MessageID(rawValue: after), snapshot: nil, covered: nil,
                sessionID: UUID().uuidString, countsUnread: countsUnread)
        }
        return try await withCheckedThrowingContinuation { continuation in
            store.readBacklog(reads, opening: [], rowsMax: 100) { continuation.resume(with: $0) }
        }
    }

    private func ids(_ pages: BacklogPages, _ read: Int) -> [Int64] {
        pages.rows.filter { pages.read($0) == read }.map { pages.messageID($0).rawValue }
    }

    private func counts(_ unviewed: Int, _ unseen: Int, _ changes: Int64) -> InboxStore.Counts {
        InboxStore.Counts(unviewed: unviewed, unseen: unseen, changes: changes)
    }

    @Test func eachWhoAsksHasTheirOwnCountAndAllTheirPages() async throws {
        try await withStore { store, owner, _ in
            try await owner.run(
                """
                insert into belfry.message_log (receiver, type)
                select u, 'JSON_MSG' from generate_series(1, 3) i, (values ('ann'), ('bob')) as r(u) order by u, i
                """)
            try await owner.run("select belfry.mark_seen('bob', 5); select belfry.mark_viewed('bob', ids => '{4}')")
            let pages = try await read(store, [("ann", false), ("bob", true), ("nobody", true), ("ann", true)])
            #expect(pages.unread(1) == counts(2, 1, 2))
            #expect(pages.unread(2) == counts(0, 0, 0))
            #expect(pages.unread(3) == counts(3, 3, 0))
            #expect(ids(pages, 0) == [1, 2, 3] && ids(pages, 3) == [1, 2, 3] && ids(pages, 2) == [])
            #expect(ids(pages, 1) == [4, 5, 6, 7, 8], "and what tells the other sessions of the changes")
            #expect(pages.snapshot != nil)
            let plain = try await read(store, [("bob", false)])
            #expect(plain.unread(0) == nil && ids(plain, 0) == ids(pages, 1))
        }
    }

    /// What it has counted is in the page, and what it has not is not, whatever commits while it runs.
    @Test func countAndPageAreOfOneSnapshot() async throws {
        try await withStore { store, owner, database in
            let writer = try await database.connect()
            let writing = Task {
                for _ in 0..<400 {
                    try await writer.run("insert into belfry.message_log (receiver, type) values ('ann', 'JSON_MSG')")
                    if Task.isCancelled { return }
                }
            }
            var last = 0
            for _ in 0..<60 {
                let pages = try await read(store, [("ann", true)], after: 0)
                let unviewed = try #require(pages.unread(0)?.unviewed)
                #expect(min(unviewed, 100) == ids(pages, 0).count)
                #expect(unviewed >= last)
                last = unviewed
                if last < 100 { continue }
                try await owner.run("delete from belfry.outbox; delete from belfry.message_log")
                last = 0
            }
            writing.cancel()
            try await writing.value
            await writer.close()
        }
    }

    @Test(arguments: [
        "drop index belfry.message_log_history",
        "update pg_index set indisvalid = false where indexrelid = 'belfry.message_log_history'::regclass",
    ])
    func withoutTheIndexThereIsNoCountAndTheBacklogIsThere(_ removal: String) async throws {
        try await withStore { store, owner, _ in
            try await owner.run("insert into belfry.message_log (receiver, type) values ('ann', 'JSON_MSG')")
            #expect(try await read(store, [("ann", true)]).unread(0) == counts(1, 1, 0))
            try await owner.run(removal)
            let pages = try await read(store, [("ann", true)])
            #expect(pages.unread(0) == nil && ids(pages, 0) == [1])
        }
    }

    /// A lock that an operator has on the marks holds up nobody for long, and readers that do not count not at all.
    @Test func aLockOnTheMarksIsNotWaitedFor() async throws {
        try await withStore { store, owner, _ in
            try await owner.run("begin; lock table belfry.inbox in access exclusive mode")
            let began = ContinuousClock.now
            let refusal = await #expect(throws: PostgresError.self) { try await read(store, [("ann", true)]) }
            #expect(refusal?.sqlState == "55P03")
            #expect(ContinuousClock.now - began < .seconds(2))
            #expect(ids(try await read(store, [("ann", false)]), 0) == [])
            try await owner.run("rollback")
            #expect(try await read(store, [("ann", true)]).unread(0) == counts(0, 0, 0))
        }
    }
}
