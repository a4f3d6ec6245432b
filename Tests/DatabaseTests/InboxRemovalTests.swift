import Postgres
import Testing

/// What users take out of their histories: deleted, or snoozed until it comes back.
@Suite struct InboxRemovalTests {
    @Test func whatIsDeletedIsGoneForItsUserAndKeptForOperators() async throws {
        let database = try await SchemaDatabase()
        try await InboxTests.send(database, 3)
        try await database.connection.run(
            """
            delete from belfry.outbox where message_id = 2;
            update belfry.message_log set status = 'delivered', delivered_at = now() where id = 2
            """)
        #expect(
            try await database.query("select unviewed from belfry.delete_for('alice', '{1,2}')") == [["1"]])
        #expect(try await InboxTests.page(database) == ["3"])
        #expect(
            try await database.query(
                "select id, status, status_reason from belfry.message_log where id < 3 order by id")
                == [["1", "cancelled", "Deleted by its receiver."], ["2", "delivered", "Deleted by its receiver."]])
        #expect(try await database.queued().first == "3")
        #expect(try await InboxTests.announced(database) == [#"NOTIFY_DELETED {"ids": ["1", "2"]}"#])
        try await database.query("select belfry.delete_for('bob', '{3}')")
        #expect(try await InboxTests.page(database) == ["3"], "another's")
        // An operator's replay delivers it, and leaves it out of the history that its user has cleared.
        try await database.query("select belfry.replay(ids => '{2}', include_delivered => true)")
        #expect(try await InboxTests.page(database) == ["3"])
    }

    /// Deleted or snoozed before it was delivered.
    @Test func whatItsUserTookAwayNobodyBringsBack() async throws {
        let database = try await SchemaDatabase()
        try await InboxTests.send(database, 4)
        try await database.query("select belfry.delete_for('alice', '{1}')")
        let copy = try await database.value("select belfry.snooze('alice', 2, now() + interval '1 hour')") ?? ""
        try await database.query("select belfry.cancel(3)")
        try await database.query("select belfry.replay(receiver => 'alice', status => 'cancelled')")
        try await database.query("select belfry.replay(ids => '{1,2}')")
        #expect(try await InboxTests.page(database) == ["4", "3"])
        #expect(
            try await database.value(
                "select string_agg(id::text, ' ') from belfry.message_log where status = 'cancelled'")
                == "1 2")
        let queued = try await database.queued()
        #expect(queued.contains("3") && queued.contains(copy) && !queued.contains("1") && !queued.contains("2"))
    }

    @Test func whatIsReplayedSaysThatItWasViewedAndIsListed() async throws {
        let database = try await SchemaDatabase()
        try await InboxTests.send(database, 1)
        try await database.query(
            "select belfry.notify('alice', 'JSON_MSG', '1', expires_at => now() + interval '1 hour')")
        try await database.connection.run(
            """
            delete from belfry.outbox where message_id = 1;
            update belfry.message_log set status = 'delivered', delivered_at = now() where id = 1
            """)
        try await database.query("select belfry.mark_viewed('alice', up_to => 1)")
        #expect(try await database.value("select viewed_at is null from belfry.message_log where id = 1") == "t")
        try await database.connection.run(
            """
            delete from belfry.outbox where message_id = 2;
            update belfry.message_log
            set status = 'expired', expires_at = now() - interval '1 second', hidden_at = now() where id = 2
            """)
        try await database.query("select belfry.replay(ids => '{1,2}', include_delivered => true)")
        #expect(try await database.value("select viewed_at is null from belfry.message_log where id = 1") == "f")
        #expect(try await InboxTests.page(database) == ["2", "1"])
        #expect(try await InboxTests.unread(database) == "1 1")
    }

    @Test func whatHasNoRoomForTheMarkIsSnoozedWithoutIt() async throws {
        let database = try await SchemaDatabase()
        try await database.query(
            """
            select belfry.notify('alice', 'JSON_MSG', '1', headers => (
                select jsonb_object_agg('header-' || i, i) from generate_series(1, 32) i))
            """)
        let copy = try await database.value("select belfry.snooze('alice', 1, now() + interval '1 hour')") ?? ""
        let headers = try await database.value(
            "select (select count(*) from jsonb_object_keys(headers)) from belfry.message_log where id = $1::bigint",
            .text(copy))
        #expect(headers == "32")
    }

    @Test func whatIsSnoozedComesBackAsANewMessage() async throws {
        let database = try await SchemaDatabase()
        try await InboxTests.send(database, 2)
        try await database.query("select belfry.mark_viewed('alice', up_to => 2)")
        let copy = try await database.value("select belfry.snooze('alice', 1, now() + interval '1 hour')")
        #expect(try await InboxTests.page(database) == ["2"])
        #expect(
            try await database.query(
                """
                select headers ->> 'snoozed-from', not_before > now(), status from belfry.message_log
                where id = $1::bigint
                """, .text(copy ?? "")) == [["1", "t", "pending"]])
        #expect(try await InboxTests.unread(database) == "0 0")
        try await database.connection.run("update belfry.message_log set not_before = now() where id = \(copy ?? "0")")
        #expect(try await InboxTests.page(database) == [copy ?? "", "2"])
        #expect(try await InboxTests.unread(database) == "1 1")
        #expect(try await database.value("select belfry.snooze('bob', 2, now() + interval '1 hour')") == nil)
    }

    @Test(arguments: ["now()", "null", "now() + interval '367 days'", "'infinity'"])
    func aSnoozeEndsWithinAYear(_ until: String) async throws {
        let database = try await SchemaDatabase.shared()
        let refusal = try await database.refusal("select belfry.snooze('alice', 1, \(until))")
        #expect(refusal.message.contains("within the next 366 days"))
    }

    @Test func nothingIsSnoozedBeyondItsExpiry() async throws {
        let database = try await SchemaDatabase()
        try await database.query("select belfry.notify('alice', 'JSON_MSG', '1', expires_at => now() + interval '1 h')")
        let refusal = try await database.refusal("select belfry.snooze('alice', 1, now() + interval '2 h')")
        #expect(refusal.message.contains("before the end of the snooze"))
    }
}
