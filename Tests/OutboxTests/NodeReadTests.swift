import BelfryModel
import DatabaseSupport
import Foundation
import Postgres
import Testing

@testable import Outbox

/// What a node is given to hand out, and what it is not.
@Suite struct NodeReadTests {
    private static let start = MessageID(rawValue: 0)

    private func withStore(_ body: (NodeStore, PostgresConnection) async throws -> Void) async throws {
        let database = try await TestServer.makeDatabase()
        let owner = try await database.connect()
        let client = PostgresClient(configuration: try database.configuration(role: "test_service"), size: 1)
        client.start()
        try await body(NodeStore(client: client, nodeID: UUID().uuidString.lowercased()), owner)
        await client.close()
        await owner.close()
    }

    private func backlog(
        _ store: NodeStore, session: String = UUID().uuidString, opening: [SessionOpening] = [],
        snapshot: TransactionSnapshot? = nil
    ) async throws -> BacklogPages {
        let read = BacklogRead(
            receiver: "alice", after: Self.start, snapshot: snapshot, covered: nil, sessionID: session)
        return try await withCheckedThrowingContinuation { continuation in
            store.readBacklog([read], opening: opening, rowsMax: 100) { continuation.resume(with: $0) }
        }
    }

    private func ids(_ pages: BacklogPages) -> [Int64] { pages.rows.map { pages.messageID($0).rawValue } }

    @Test func whatIsHeldBackOrHasExpiredIsNotInABacklogNorMissed() async throws {
        try await withStore { store, owner in
            try await owner.run(
                """
                insert into belfry.message_log (receiver, type, not_before, expires_at) values
                    ('alice', 'JSON_MSG', null, null),
                    ('alice', 'JSON_MSG', now() + interval '1 hour', null),
                    ('alice', 'JSON_MSG', null, now() - interval '1 second'),
                    ('alice', 'JSON_MSG', null, now() + interval '1 hour')
                """)
            #expect(ids(try await backlog(store)) == [1, 4])
            let listing: OutboxListing = try await withCheckedThrowingContinuation { continuation in
                store.reconcile(users: ["alice"], topics: [], rowsMax: 100, isBusAvailable: false) {
                    continuation.resume(with: $0)
                }
            }
            #expect(listing.rows.map { listing.messageID($0).rawValue } == [1, 4])
        }
    }

    @Test func aTopicsPastIsWhatWasNotTakenBack() async throws {
        try await withStore { store, owner in
            try await owner.run(
                """
                insert into belfry.message_log (topic, type, not_before, expires_at) values
                    ('news', 'JSON_MSG', null, null),
                    ('news', 'JSON_MSG', now() + interval '1 hour', null),
                    ('news', 'JSON_MSG', null, now() - interval '1 second'),
                    ('news', 'JSON_MSG', null, now() + interval '1 hour'),
                    ('news', 'JSON_MSG', null, null),
                    ('news', 'JSON_MSG', null, null),
                    ('news', 'JSON_MSG', null, null);
                update belfry.message_log set status = 'cancelled' where id = 5;
                update belfry.message_log set status = 'parked' where id = 6;
                update belfry.message_log set status = 'delivered' where id = 7
                """)
            let pages = try await withCheckedThrowingContinuation { continuation in
                store.readTopic("news", after: Self.start, snapshot: nil, rowsMax: 100) {
                    continuation.resume(with: $0)
                }
            }
            #expect(ids(pages) == [1, 4, 7])
        }
    }

    /// Another session of the user's may have seen it, and may be gone without a word.
    @Test func besideAnotherSessionEverythingMayHaveBeenSeen() async throws {
        try await withStore { store, owner in
            try await owner.run("insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG')")
            let first = UUID().uuidString
            let alone = try await backlog(
                store, session: first, opening: [SessionOpening(sessionID: first, receiver: "alice")])
            #expect(alone.rows.map(alone.isRedelivered) == [false])
            let again = try await backlog(store, session: first)
            #expect(again.rows.map(again.isRedelivered) == [false])
            let beside = try await backlog(store)
            #expect(beside.rows.map(beside.isRedelivered) == [true])
        }
    }

    /// A stamp of the old cluster, before the relay has stamped the row anew: it keeps its place.
    @Test func afterARestoreRowsKeepTheirPlaceInLaterPages() async throws {
        try await withStore { store, owner in
            try await owner.run(
                """
                insert into belfry.message_log (receiver, type) select 'alice', 'JSON_MSG' from generate_series(1, 3);
                update belfry.outbox set xid = '9000000000' where message_id = 2
                """)
            let snapshot = try #require(try await backlog(store).snapshot)
            #expect(ids(try await backlog(store, snapshot: snapshot)) == [1, 2, 3])
        }
    }
}
