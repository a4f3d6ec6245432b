import BelfryModel
import DatabaseSupport
import Postgres
import Testing

@testable import Outbox

/// What the leader does beside its loop.
@Suite struct HousekeepingTests {
    private func setUp() async throws -> (RelayStore, PostgresConnection) {
        let database = try await TestServer.makeDatabase()
        let store = RelayStore(executor: try await database.connect(role: "test_service"), isPrepared: false)
        return (store, try await database.connect())
    }

    @Test func `what is due is released and what is not stays`() async throws {
        let (store, connection) = try await setUp()
        #expect(
            try await store.dues(topicHold: .seconds(60))
                == RelayDues(release: nil, expiry: nil, settlement: nil, hasDeadNodes: false, hasRest: false))
        try await connection.run(
            """
            insert into belfry.message_log (receiver, type, data, not_before) values
                ('alice', 'STRING_MSG', '"a"', now() + interval '1 day'),
                ('alice', 'STRING_MSG', '"b"', now() + interval '1 hour'),
                ('alice', 'STRING_MSG', '"c"', now() + interval '1 day');
            update belfry.outbox set not_before = now() - message_id * interval '1 second' where message_id <> 2
            """)
        let before = try await connection.value("select max(xid::text::bigint) from belfry.outbox")
        let due = try #require(try await store.dues(topicHold: .seconds(60)).release)
        #expect((-20_000)...(-3_000) ~= due)
        #expect(try await store.releaseDue() == 2)
        #expect(try await store.releaseDue() == 0)
        let rows = try await connection.rows(
            "select message_id, not_before is null, xid::text::bigint > \(before) from belfry.outbox order by 1")
        #expect(rows == [["1", "t", "t"], ["2", "f", "f"], ["3", "t", "t"]])
        let next = try #require(try await store.dues(topicHold: .seconds(60)).release)
        #expect(3_500_000...3_600_000 ~= next)
        await connection.close()
    }

    @Test func `many due rows are released batch after batch, the earlier ones first`() async throws {
        let (store, connection) = try await setUp()
        try await connection.run(
            """
            insert into belfry.message_log (receiver, type, data, not_before)
            select 'alice', 'STRING_MSG', '"a"', now() + interval '1 day' from generate_series(1, 2500) i;
            update belfry.outbox set not_before = now() - message_id * interval '1 second'
            """)
        #expect(try await store.releaseDue() == 2_500)
        let order = try await connection.value(
            """
            select bool_and(ordered) from (
                select xid <= lag(xid) over (order by message_id) as ordered from belfry.outbox) s
            """)
        #expect(order == "t")
        await connection.close()
    }

    @Test func `expired messages leave the outbox with their status and reason`() async throws {
        let (store, connection) = try await setUp()
        try await connection.run(
            """
            insert into belfry.message_log (receiver, type, data, expires_at)
            select 'alice', 'STRING_MSG', '"a"', now() - interval '1 second' from generate_series(1, 1500);
            insert into belfry.message_log (receiver, type, data, expires_at)
            values ('alice', 'STRING_MSG', '"a"', now() + interval '1 hour')
            """)
        #expect(try await store.expireDue() == 1_500)
        let rows = try await connection.rows(
            "select status, status_reason, count(*) from belfry.message_log group by 1, 2 order by 1")
        #expect(rows == [["expired", "It was not delivered before its expires_at.", "1500"], ["pending", "-", "1"]])
        #expect(try await connection.value("select string_agg(message_id::text, ',') from belfry.outbox") == "1501")
        #expect(try await connection.value("select count(*) from belfry.message_log where hidden_at is null") == "1")
        await connection.close()
    }

    @Test func `what was delivered stays delivered when its time is over, and so does every other end`() async throws {
        let (store, connection) = try await setUp()
        try await connection.run(
            """
            insert into belfry.message_log (receiver, topic, type, data, expires_at)
            select case when i <= 4 then 'alice' end, case when i > 4 then 'news' end, 'STRING_MSG', '"a"',
                now() - interval '1 second'
            from generate_series(1, 8) i;
            update belfry.message_log
            set status = (array['delivered', 'cancelled', 'parked', 'pending'])[(id - 1) % 4 + 1]
            """)
        #expect(try await store.expireDue() == 2)
        let rows = try await connection.rows("select status from belfry.message_log order by id").map { $0[0] }
        let ends = ["delivered", "cancelled", "parked", "expired"]
        #expect(rows == ends + ends)
        #expect(try await connection.value("select count(*) from belfry.outbox") == "0")
        await connection.close()
    }

    @Test func `a parked row of a message that is parked no more is tidied away`() async throws {
        let (store, connection) = try await setUp()
        try await connection.run(
            """
            insert into belfry.message_log (receiver, type, data)
            select 'alice', 'STRING_MSG', '"a"' from generate_series(1, 2);
            update belfry.message_log set status = case id when 1 then 'delivered' else 'parked' end;
            insert into belfry.parked (message_id, reason, attempts) values (1, 'x', 5), (2, 'y', 5);
            delete from belfry.outbox
            """)
        #expect(try await store.countMessages().parked == 1)
        #expect(try await connection.rows("select message_id from belfry.parked") == [["2"]])
        await connection.close()
    }

    @Test func `a row that another transaction holds is left for the next time`() async throws {
        let (store, connection) = try await setUp()
        try await connection.run(
            """
            insert into belfry.message_log (receiver, type, data, expires_at, not_before) values
                ('alice', 'STRING_MSG', '"a"', now() - interval '1 second', null),
                ('alice', 'STRING_MSG', '"a"', null, now() + interval '1 day');
            update belfry.outbox set not_before = now() - interval '1 second' where message_id = 2
            """)
        try await connection.run("begin; select from belfry.outbox for update")
        #expect(try await store.expireDue() == 0)
        #expect(try await store.releaseDue() == 0)
        try await connection.run("rollback")
        #expect(try await store.expireDue() == 1)
        #expect(try await store.releaseDue() == 1)
        await connection.close()
    }

    @Test func `broadcasts settle after their time for late nodes`() async throws {
        let (store, connection) = try await setUp()
        try await connection.run(
            """
            insert into belfry.message_log (topic, type, data)
            select 'news', 'STRING_MSG', '"a"' from generate_series(1, 4);
            update belfry.outbox set published_at = now() - interval '70 seconds' where message_id <= 2;
            update belfry.outbox set published_at = now() where message_id = 3;
            update belfry.message_log set status = 'delivered' where id = 1
            """)
        let dues = try await store.dues(topicHold: .seconds(60))
        #expect((-20_000)...(-10_000) ~= (dues.settlement ?? 0))
        #expect(try await store.settleTopics(topicHold: .seconds(60)) == 1)
        let rows = try await connection.rows("select id, status, status_reason from belfry.message_log order by id")
        let reason = "No session acknowledged this broadcast within 60.0 s of its publication."
        #expect(rows.map { $0[1] } == ["delivered", "expired", "pending", "pending"])
        #expect(rows.map { $0[2] } == ["-", reason, "-", "-"])
        let left = try await connection.rows("select message_id from belfry.outbox order by message_id")
        #expect(left == [["3"], ["4"]])
        await connection.close()
    }

    @Test func `what a killed node's sessions may have shown is marked redelivered`() async throws {
        let (store, connection) = try await setUp()
        try await connection.run(
            """
            insert into belfry.node (id, host, pid, listen, heartbeat_at) values
                ('00000000-0000-0000-0000-00000000000a', 'a', 1, ':1', now() - interval '20 seconds'),
                ('00000000-0000-0000-0000-00000000000b', 'b', 2, ':2', now());
            insert into belfry.session (id, node_id, receiver) values
                (gen_random_uuid(), '00000000-0000-0000-0000-00000000000a', 'alice'),
                (gen_random_uuid(), '00000000-0000-0000-0000-00000000000b', 'bob');
            insert into belfry.session (id, node_id, receiver, opened_at) values
                (gen_random_uuid(), '00000000-0000-0000-0000-00000000000c', 'carol', now() - interval '2 minutes'),
                (gen_random_uuid(), '00000000-0000-0000-0000-00000000000d', 'dave', now());
            insert into belfry.message_log (receiver, type, data)
            select name, 'STRING_MSG', '"a"' from unnest(array['alice', 'bob', 'carol', 'dave']) name
            """)
        #expect(try await store.dues(topicHold: .seconds(60)).hasDeadNodes)
        let removed = try await store.removeDeadNodes()
        #expect(removed == (nodes: 1, sessions: 2, messages: 2))
        #expect(try await !store.dues(topicHold: .seconds(60)).hasDeadNodes)
        let marked = try await connection.value(
            "select string_agg(receiver, ',' order by receiver) from belfry.outbox where redelivered")
        #expect(marked == "alice,carol")
        let sessions = try await connection.value(
            "select string_agg(receiver, ',' order by receiver) from belfry.session")
        #expect(sessions == "bob,dave")
        await connection.close()
    }

    @Test func `a failed publish is postponed, then parked with its reason`() async throws {
        let (store, connection) = try await setUp()
        try await connection.run(
            "insert into belfry.message_log (receiver, type, data) values ('alice', 'STRING_MSG', '\"a\"')")
        func fail() async throws -> PublishFailure {
            let xid = UInt64(try await connection.value("select xid from belfry.outbox")) ?? 0
            return try await store.recordFailure(
                MessageID(rawValue: 1), xid: xid, reason: "The bus said no.", attemptsMax: 3, delay: .milliseconds(1))
        }
        #expect(try await fail() == .postponed)
        #expect(
            try await store.recordFailure(
                MessageID(rawValue: 1), xid: 5, reason: "", attemptsMax: 3, delay: .zero) == .gone)
        let row = try await connection.rows("select attempts, last_error, not_before is not null from belfry.outbox")
        #expect(row == [["1", "The bus said no.", "t"]])
        #expect(try await fail() == .postponed)
        #expect(try await fail() == .parked)
        #expect(try await connection.value("select count(*) from belfry.outbox") == "0")
        #expect(
            try await connection.rows("select message_id, reason, attempts from belfry.parked")
                == [["1", "The bus said no.", "3"]])
        #expect(
            try await connection.rows("select status, status_reason from belfry.message_log")
                == [["parked", "The bus said no."]])
        await connection.close()
    }
}
