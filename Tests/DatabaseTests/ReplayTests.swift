import Postgres
import Testing

/// Delivering messages again, in each state, by each criterion.
@Suite struct ReplayTests {
    @Test(arguments: ["parked", "expired", "cancelled", "delivered"])
    func whatLeftTheOutboxComesBackAsRedelivered(status: String) async throws {
        let database = try await SchemaDatabase()
        try await database.makeMessage(status: status)
        let answer = try await database.query("select * from belfry.replay('{1}', include_delivered => true)")
        #expect(answer == [["1", status, "queue again"]])
        let queued = try await database.query(
            "select message_id, receiver, redelivered, attempts, not_before, published_at from belfry.outbox")
        #expect(queued == [["1", "alice", "t", "0", nil, nil]])
        let log = try await database.query("select status, status_reason, delivered_at from belfry.message_log")
        #expect(log == [["pending", "Replayed by postgres.", nil]])
        #expect(try await database.value("select count(*) from belfry.parked") == "0")
    }

    @Test func aPendingOneIsStampedAnew() async throws {
        let database = try await SchemaDatabase()
        try await database.makeMessage(status: "pending")
        try await database.connection.run(
            """
            update belfry.outbox set attempts = 3, last_error = 'refused', not_before = now() + interval '1 day',
                published_at = now();
            begin
            """)
        let answer = try await database.query("select * from belfry.replay(receiver => 'alice')")
        #expect(answer == [["1", "pending", "publish again"]])
        let queued = try await database.query(
            """
            select xid = pg_current_xact_id(), not_before, attempts, last_error, published_at, redelivered
            from belfry.outbox
            """)
        #expect(queued == [["t", nil, "0", nil, nil, "f"]])
        try await database.connection.run("commit")
    }

    @Test func anExpiryThatHasPassedIsDroppedAndALaterOneKept() async throws {
        let database = try await SchemaDatabase()
        try await database.query("select belfry.notify('a', 'JSON_MSG', '1', expires_at => now() - interval '1 s')")
        try await database.query("select belfry.notify('a', 'JSON_MSG', '1', expires_at => now() + interval '1 day')")
        try await database.connection.run("delete from belfry.outbox; update belfry.message_log set status = 'expired'")
        try await database.query("select belfry.replay(status => 'expired')")
        let rows = try await database.query("select expires_at is null from belfry.outbox order by message_id")
        #expect(rows == [["t"], ["f"]])
    }

    @Test func deliveredOnesComeOnlyWhenAskedFor() async throws {
        let database = try await SchemaDatabase()
        try await database.makeMessage(status: "delivered")
        #expect(try await database.query("select * from belfry.replay(receiver => 'alice')").isEmpty)
        #expect(
            try await database.query("select * from belfry.replay('{1, 7}')") == [
                ["1", "delivered", "skip: delivered, and include_delivered is not set"],
                ["7", nil, "skip: no such message"],
            ])
        let error = try await database.refusal("select belfry.replay(status => 'delivered')")
        #expect(error.message.contains("Delivered messages are replayed only with include_delivered => true."))
        #expect(try await database.queued().isEmpty)
        #expect(try await database.statuses() == ["delivered"])
    }

    @Test func aDeliveredBroadcastThatIsStillHeldComesAgain() async throws {
        let database = try await SchemaDatabase()
        try await database.query("select belfry.broadcast('news', 'JSON_MSG', '1')")
        try await database.connection.run(
            """
            update belfry.outbox set published_at = now();
            update belfry.message_log set status = 'delivered', delivered_at = now()
            """)
        let answer = try await database.query("select * from belfry.replay(topic => 'news', include_delivered => true)")
        #expect(answer == [["1", "delivered", "queue again"]])
        let row = try await database.query("select published_at, redelivered, topic from belfry.outbox")
        #expect(row == [[nil, "t", "news"]])
    }

    @Test func cancelledOnesComeOnlyByNameOrStatus() async throws {
        let database = try await SchemaDatabase()
        try await database.makeMessage(status: "cancelled")
        #expect(try await database.query("select * from belfry.replay(receiver => 'alice')").isEmpty)
        #expect(try await database.queued().isEmpty)
        try await database.query("select belfry.replay(status => 'cancelled')")
        #expect(try await database.queued() == ["1"])
    }

    @Test(arguments: [
        ("receiver => 'alice'", ["1", "2"]),
        ("topic => 'news'", ["4"]),
        ("type => 'STRING_MSG'", ["2", "4"]),
        ("receiver => 'alice', type => 'STRING_MSG'", ["2"]),
        ("since => '2030-01-02'", ["2", "3", "4"]),
        ("until => '2030-01-02'", ["1"]),
        ("since => '2030-01-02', until => '2030-01-04'", ["2", "3"]),
        ("status => 'pending'", ["1", "2", "4"]),
        ("status => 'parked'", ["3"]),
        ("ids => '{1, 3}', status => 'parked'", ["3"]),
    ])
    func criteriaChooseTogether(criteria: String, chosen: [String]) async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run(
            """
            select belfry.notify('alice', 'JSON_MSG', '1'), belfry.notify('alice', 'STRING_MSG', '"2"'),
                belfry.notify('bob', 'JSON_MSG', '3'), belfry.broadcast('news', 'STRING_MSG', '"4"');
            update belfry.message_log set created_at = '2030-01-01'::timestamptz + (id - 1) * interval '1 day';
            delete from belfry.outbox where message_id = 3;
            insert into belfry.parked (message_id, reason) values (3, 'r');
            update belfry.message_log set status = 'parked' where id = 3
            """)
        let dry = try await database.query("select * from belfry.replay(\(criteria), dry_run => true)")
        #expect(dry.map { $0[0] } == chosen)
        #expect(try await database.queued() == ["1", "2", "4"])
        let answer = try await database.query("select * from belfry.replay(\(criteria))")
        #expect(answer == dry)
        let stamped = try await database.query(
            "select message_id from belfry.outbox where xid = (select max(xid) from belfry.outbox) order by 1")
        #expect(stamped.map { $0[0] } == chosen)
    }

    @Test func withoutACriterionItIsRefused() async throws {
        let database = try await SchemaDatabase()
        let error = try await database.refusal("select belfry.replay(include_delivered => true, dry_run => true)")
        #expect(
            error.message.contains("replay needs at least one of ids, receiver, topic, type, since, until and status."))
        #expect(error.sqlState == "22023")
        let status = try await database.refusal("select belfry.replay(status => 'lost')")
        #expect(status.message.contains("There is no status \"lost\"."))
        #expect(status.hint == "It is pending, delivered, expired, cancelled or parked.")
    }

    /// An application that holds some of the rows, and waits for others, would be aborted by a deadlock.
    @Test func whatAnotherTransactionHoldsIsLeftAlone() async throws {
        let database = try await SchemaDatabase()
        for _ in 1...3 { try await database.makeMessage(status: "pending") }
        let application = try await database.connect()
        try await application.run("begin; select belfry.cancel(3)")
        #expect(
            try await database.query("select message_id, action from belfry.replay(receiver => 'alice')") == [
                ["1", "publish again"], ["2", "publish again"], ["3", "skip: another transaction holds it; try again"],
            ])
        // In the order in which a replay that waits would have deadlocked.
        try await application.run("select belfry.cancel(1); commit")
        #expect(try await database.statuses() == ["cancelled", "pending", "cancelled"])
        #expect(try await database.queued() == ["2"])
    }
}
