import BelfryModel
import DatabaseSupport
import Postgres
import Testing

@testable import Outbox

/// What is old is deleted, and nothing else.
@Suite struct RetentionTests {
    private func setUp(_ database: TestDatabase? = nil) async throws -> (RelayStore, PostgresConnection) {
        let database = if let database { database } else { try await TestServer.makeDatabase() }
        let store = RelayStore(executor: try await database.connect(role: "test_service"), isPrepared: false)
        return (store, try await database.connect())
    }

    private static func days(_ days: Int) -> Duration { .seconds(days * 86_400) }

    /// Messages that are `days` old, out of the outbox, with a status.
    private static func write(
        _ status: String, type: String = "JSON_MSG", daysAgo days: Int, count: Int = 1,
        to connection: PostgresConnection
    ) async throws {
        try await connection.run(
            """
            with written as (
                insert into belfry.message_log (receiver, type, data, created_at)
                select 'alice', '\(type)', '"x"', now() - interval '\(days) days' from generate_series(1, \(count))
                returning id
            ) select from written;
            update belfry.message_log m set status = '\(status)'
            where m.status = 'pending' and '\(status)' <> 'pending'
                and m.id > (select coalesce(max(id), 0) - \(count) from belfry.message_log);
            delete from belfry.outbox o using belfry.message_log m where m.id = o.message_id and m.status <> 'pending'
            """)
    }

    private static func left(_ connection: PostgresConnection) async throws -> String {
        try await connection.value("select coalesce(string_agg(id::text, ' ' order by id), '') from belfry.message_log")
    }

    @Test func `each goes by the closest rule, and what no rule names stays`() async throws {
        let (store, connection) = try await setUp()
        var policy = RetentionPolicy()
        policy[.delivered] = Self.days(10)
        policy[.expired] = Self.days(2)
        policy.byType = [
            RetentionPolicy.Rule(type: "STRING_MSG", age: Self.days(1)),
            RetentionPolicy.Rule(type: "STRING_MSG", status: .expired, age: nil),
        ]
        for (status, type, days) in [
            ("delivered", "JSON_MSG", 11), ("delivered", "JSON_MSG", 9), ("expired", "JSON_MSG", 3),
            ("expired", "JSON_MSG", 1), ("cancelled", "JSON_MSG", 999), ("pending", "JSON_MSG", 999),
            ("delivered", "STRING_MSG", 2), ("cancelled", "STRING_MSG", 2), ("expired", "STRING_MSG", 999),
            ("delivered", "STRING_MSG", 0),
        ] {
            try await Self.write(status, type: type, daysAgo: days, to: connection)
        }
        let batch = try await store.deleteOld(after: nil, rows: 100, policy: policy)
        #expect(batch == RetentionBatch(position: 10, deleted: 4, isAtEnd: true))
        #expect(try await Self.left(connection) == "2 4 5 6 9 10")
        let row = try await connection.rows("select last_id, ended_at is not null, deleted from belfry.retention")
        #expect(row == [["0", "t", "4"]])
        await connection.close()
    }

    @Test func `what was delivered late counts from then on`() async throws {
        let (store, connection) = try await setUp()
        try await Self.write("delivered", daysAgo: 100, count: 2, to: connection)
        try await connection.run(
            """
            update belfry.message_log set delivered_at = now() - interval '1 day' where id = 1;
            update belfry.message_log set delivered_at = now() - interval '99 days' where id = 2
            """)
        var policy = RetentionPolicy()
        policy[.delivered] = Self.days(10)
        #expect(try await store.deleteOld(after: nil, rows: 100, policy: policy).deleted == 1)
        #expect(try await Self.left(connection) == "1")
        await connection.close()
    }

    @Test func `the log is walked through in parts, from where the last one ended`() async throws {
        let (store, connection) = try await setUp()
        try await Self.write("delivered", daysAgo: 10, count: 25, to: connection)
        try await Self.write("delivered", daysAgo: 0, count: 25, to: connection)
        var policy = RetentionPolicy()
        policy[.delivered] = Self.days(1)
        var batches = [try await store.deleteOld(after: nil, rows: 10, policy: policy)]
        // Another relay goes on where this one ended.
        batches.append(try await store.deleteOld(after: nil, rows: 10, policy: policy))
        batches.append(try await store.deleteOld(after: 20, rows: 10, policy: policy))
        batches.append(try await store.deleteOld(after: 30, rows: 10, policy: policy))
        #expect(batches.map(\.position) == [10, 20, 30, 40])
        #expect(batches.map(\.deleted) == [10, 10, 5, 0])
        #expect(batches.map(\.isAtEnd) == [false, false, false, true])
        #expect(try await connection.value("select count(*) from belfry.message_log") == "25")
        await connection.close()
    }

    @Test func `what an application holds is left, and nobody waits`() async throws {
        let database = try await TestServer.makeDatabase()
        let (store, connection) = try await setUp(database)
        try await Self.write("parked", daysAgo: 10, count: 3, to: connection)
        try await connection.run(
            "insert into belfry.parked (message_id, reason, attempts) values (1, 'a', 1), (3, 'c', 1)")
        let holder = try await database.connect()
        try await holder.run(
            """
            begin; select from belfry.message_log where id = 2 for key share;
            select from belfry.parked where message_id = 3 for update
            """)
        var policy = RetentionPolicy()
        policy[.parked] = Self.days(1)
        #expect(try await store.deleteOld(after: 0, rows: 10, policy: policy).deleted == 1)
        #expect(try await Self.left(connection) == "2 3")
        #expect(try await connection.value("select string_agg(message_id::text, '') from belfry.parked") == "3")
        try await holder.run("rollback")
        #expect(try await store.deleteOld(after: 0, rows: 10, policy: policy).deleted == 2)
        #expect(try await connection.value("select count(*) from belfry.parked") == "0")
        await holder.close()
        await connection.close()
    }

    /// Whoever holds the table and comes to the rows would else wait for what waits for them.
    @Test func `a lock of the table is not waited for`() async throws {
        let database = try await TestServer.makeDatabase()
        let (store, connection) = try await setUp(database)
        try await Self.write("delivered", daysAgo: 10, count: 2, to: connection)
        let holder = try await database.connect()
        try await holder.run("begin; lock table belfry.message_log in share mode")
        var policy = RetentionPolicy()
        policy[.delivered] = Self.days(1)
        do {
            _ = try await store.deleteOld(after: nil, rows: 10, policy: policy)
            Issue.record("it did not fail")
        } catch {
            #expect(error.sqlState == "55P03")
        }
        try await holder.run("update belfry.message_log set viewed_at = now(); commit")
        #expect(try await store.deleteOld(after: nil, rows: 10, policy: policy).deleted == 2)
        await holder.close()
        await connection.close()
    }

    @Test func `what is in the outbox stays, whatever its status`() async throws {
        let (store, connection) = try await setUp()
        try await Self.write("delivered", daysAgo: 10, count: 2, to: connection)
        try await connection.run("select * from belfry.replay(ids => '{1}', include_delivered => true)")
        try await connection.run("update belfry.message_log set status = 'delivered' where id = 1")
        var policy = RetentionPolicy()
        policy[.delivered] = Self.days(1)
        #expect(try await store.deleteOld(after: nil, rows: 10, policy: policy).deleted == 1)
        #expect(try await Self.left(connection) == "1")
        await connection.close()
    }

    @Test func `nothing younger than an hour goes, whatever is asked for`() async throws {
        let (store, connection) = try await setUp()
        try await Self.write("delivered", daysAgo: 0, count: 2, to: connection)
        try await connection.run(
            "update belfry.message_log set created_at = now() - interval '61 minutes' where id = 1")
        var policy = RetentionPolicy()
        policy[.delivered] = .zero
        #expect(try await store.deleteOld(after: nil, rows: 10, policy: policy).deleted == 1)
        #expect(try await Self.left(connection) == "2")
        await connection.close()
    }
}
