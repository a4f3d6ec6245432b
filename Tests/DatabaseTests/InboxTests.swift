import Postgres
import TestBasics
import Testing

/// What a user has of the messages after delivery: history, viewed, seen, deleted, snoozed.
@Suite struct InboxTests {
    /// A user's page, by its ids.
    static func page(_ database: SchemaDatabase, _ arguments: String = "") async throws -> [String] {
        try await database.query("select id from belfry.history('alice'\(arguments))").compactMap { $0[0] }
    }

    /// "unviewed unseen".
    static func unread(_ database: SchemaDatabase, _ user: String = "alice") async throws -> String? {
        try await database.value("select unviewed || ' ' || unseen from belfry.unread($1)", .text(user))
    }

    static func send(_ database: SchemaDatabase, _ count: Int, to user: String = "alice") async throws {
        try await database.query(
            "select belfry.notify($1, 'JSON_MSG', to_jsonb(i)) from generate_series(1, $2::bigint) i", .text(user),
            .int64(Int64(count)))
    }

    /// What other sessions of the user are told, but for the counts.
    static func announced(_ database: SchemaDatabase) async throws -> [String] {
        try await database.query(
            """
            select type || ' ' || (data - '{unviewed,unseen,changes}'::text[])::text from belfry.message_log
            where type like 'NOTIFY%' order by id
            """
        ).compactMap { $0[0] }
    }

    // MARK: History

    @Test func pagesComeNewestFirstAndJoin() async throws {
        let database = try await SchemaDatabase()
        try await Self.send(database, 7)
        try await Self.send(database, 1, to: "bob")
        try await database.query("select belfry.broadcast('news', 'JSON_MSG', '1')")
        try await database.query("select belfry.mark_viewed('alice', ids => '{3,6}')")
        #expect(try await Self.page(database) == ["7", "6", "5", "4", "3", "2", "1"])
        #expect(try await Self.page(database, #", "limit" => 3"#) == ["7", "6", "5"])
        #expect(try await Self.page(database, #", before => 5, "limit" => 3"#) == ["4", "3", "2"])
        #expect(try await Self.page(database, #", after => 2, "limit" => 3"#) == ["5", "4", "3"])
        #expect(try await Self.page(database, ", after => 7").isEmpty)
        #expect(try await Self.page(database, ", unviewed => true") == ["7", "5", "4", "2", "1"])
        #expect(try await Self.page(database, ", type => 'STRING_MSG'").isEmpty)
        #expect(
            try await database.query("select id, viewed_at is not null, seen from belfry.history('alice', before => 4)")
                == [["3", "t", "t"], ["2", "f", "f"], ["1", "f", "f"]])
    }

    /// Going up is as complete as going down, of a type as of all.
    @Test func whatIsNotViewedIsPagedBothWays() async throws {
        let database = try await SchemaDatabase()
        try await Self.send(database, 3)
        try await database.query(
            "select belfry.notify('alice', 'STRING_MSG', '\"x\"') from generate_series(1, 3)")
        try await Self.send(database, 1_500)
        try await database.query("select belfry.mark_viewed('alice', ids => '{5}')")
        #expect(try await Self.page(database, #", after => 2, "limit" => 3, unviewed => true"#) == ["6", "4", "3"])
        #expect(try await Self.page(database, #", type => 'STRING_MSG', unviewed => true"#) == ["6", "4"])
        #expect(try await Self.page(database, #", type => 'STRING_MSG', after => 4, unviewed => true"#) == ["6"])
        #expect(
            try await Self.page(database, #", type => 'STRING_MSG', before => 6, "limit" => 1, unviewed => true"#)
                == ["4"])
        try await database.query("select belfry.mark_viewed('alice', up_to => 4)")
        #expect(try await Self.page(database, #", after => 2, "limit" => 2, unviewed => true"#) == ["7", "6"])
    }

    /// What was held back under a mark lies before what came after the mark.
    @Test func aPageUpwardsBeginsWithWhatWasHeldBack() async throws {
        let database = try await SchemaDatabase()
        try await Self.send(database, 1)
        try await database.query(
            "insert into belfry.message_log (receiver, type, data, not_before) "
                + "values ('alice', 'JSON_MSG', '1', now() + interval '1 hour')")
        try await Self.send(database, 1)
        try await database.query("select belfry.mark_viewed('alice', up_to => 3)")
        try await Self.send(database, 3)
        try await database.connection.run("update belfry.message_log set not_before = now() where id = 2")
        let news = try await Self.page(database, ", unviewed => true")
        #expect(news.last == "2" && news.count == 4)
        #expect(
            try await Self.page(database, #", after => 1, "limit" => 2, unviewed => true"#)
                == [news[news.count - 2], "2"])
    }

    @Test func whatIsNotForItIsLeftOut() async throws {
        let database = try await SchemaDatabase()
        try await Self.send(database, 5)
        try await database.query("select belfry.cancel(1)")
        try await database.query("select belfry.delete_for('alice', '{2}')")
        try await database.query(
            """
            select belfry.notify('alice', 'JSON_MSG', '1', not_before => now() + interval '1 hour'),
                belfry.notify('alice', 'JSON_MSG', '1', expires_at => now())
            """)
        try await database.connection.run("update belfry.message_log set status = 'expired' where id = 3")
        #expect(try await Self.page(database) == ["5", "4"])
        #expect(try await Self.unread(database) == "2 2")
    }

    /// Whatever the size of the log and of the user's part of it.
    @Test func aPageAndACountReadAsManyRowsAsTheyHold() async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run(
            """
            alter table belfry.message_log disable trigger user;
            insert into belfry.message_log (receiver, type, data, status, delivered_at)
            select case when i % 2 = 0 then 'alice' else 'u' || i % 97 end, 'JSON_MSG', '1', 'delivered', now()
            from generate_series(1, 20000) i;
            alter table belfry.message_log enable trigger user;
            analyze belfry.message_log
            """)
        try await database.query("select belfry.mark_viewed('alice', up_to => 19000)")
        // What is counted is not to be handed on between the looks at it.
        try await database.connection.run("begin")
        for (statement, most) in [
            ("belfry.history('alice')", 150), ("belfry.history('alice', before => 9000)", 150),
            ("belfry.history('alice', after => 9000)", 150), ("belfry.unread('alice')", 510),
        ] {
            let before = try await Self.rowsRead(database)
            try await database.query("select count(*) from \(statement)")
            let after = try await Self.rowsRead(database)
            #expect(after.scans == before.scans, "\(statement)")
            #expect(after.fetched - before.fetched <= most, "\(statement): \(after.fetched - before.fetched)")
        }
    }

    /// Of the log by this session, since PostgreSQL counted the last time: scans of it all, and rows fetched by an
    /// index.
    private static func rowsRead(_ database: SchemaDatabase) async throws -> (scans: Int, fetched: Int) {
        let read = try await database.query(
            """
            select coalesce(seq_scan, 0), coalesce(idx_tup_fetch, 0) from pg_stat_xact_user_tables
            where schemaname = 'belfry' and relname = 'message_log'
            """)
        return (Int(read.first?[0] ?? "") ?? 0, Int(read.first?[1] ?? "") ?? 0)
    }

    @Test func pagesAreAskedForInBounds() async throws {
        let database = try await SchemaDatabase.shared()
        for arguments in [#""limit" => 0"#, #""limit" => 1001"#, #""limit" => null"#, "before => 5, after => 1"] {
            let refusal = try await database.refusal("select * from belfry.history('alice', \(arguments))")
            #expect(refusal.sqlState == "22023", "\(arguments)")
        }
    }

    @Test func withoutTheIndexEverythingSaysSo() async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run("drop index belfry.message_log_history")
        for call in [
            "history('alice')", "unread('alice')", "mark_viewed('alice', up_to => 1)", "mark_seen('alice', 1)",
            "delete_for('alice', '{1}')", "snooze('alice', 1, now() + interval '1 h')",
        ] {
            let refusal = try await database.refusal("select * from belfry.\(call)")
            #expect(refusal.message == "Histories are not kept in this database.", "\(call)")
            #expect(refusal.hint?.contains("belfry migrate --history on") == true, "\(call)")
        }
    }

    // MARK: Viewed and seen

    @Test func messagesAreMarkedOneByOneAndTheOthersAreTold() async throws {
        let database = try await SchemaDatabase()
        try await Self.send(database, 3)
        try await Self.send(database, 1, to: "bob")
        #expect(
            try await database.query("select unviewed, unseen from belfry.mark_viewed('alice', ids => '{1,2,4,99}')")
                == [["1", "1"]])
        #expect(try await Self.unread(database, "bob") == "1 1", "another's id is as none")
        #expect(try await Self.announced(database) == [#"NOTIFY_VIEWED {"ids": ["1", "2"]}"#])
        // Nothing to tell.
        try await database.query("select belfry.mark_viewed('alice', ids => '{1,2}')")
        #expect(try await Self.announced(database).count == 1)
        #expect(
            try await database.query(
                """
                select hidden_at is not null, expires_at > now(), data ->> 'unviewed' from belfry.message_log
                where type = 'NOTIFY_VIEWED'
                """) == [["t", "t", "1"]])
        #expect(try await Self.page(database) == ["3", "2", "1"], "what tells of it is in no history")
    }

    @Test func everythingUpToAnIDIsOneRow() async throws {
        let database = try await SchemaDatabase()
        try await Self.send(database, 5)
        try await database.connection.run(
            "delete from belfry.outbox; update belfry.message_log set status = 'delivered'")
        try await database.query("select belfry.mark_viewed('alice', up_to => 4)")
        #expect(try await database.value("select count(*) from belfry.message_log where viewed_at is not null") == "0")
        #expect(try await Self.unread(database) == "1 1")
        #expect(try await Self.page(database, ", unviewed => true") == ["5"])
        #expect(
            try await database.value(
                "select bool_and((viewed_at is not null) = (id < 5)) from belfry.history('alice')") == "t")
        // Beyond what there is: what comes later is not viewed.
        try await database.query("select belfry.mark_viewed('alice', up_to => 9223372036854775807)")
        #expect(try await Self.unread(database) == "0 0")
        try await Self.send(database, 1)
        #expect(try await Self.unread(database) == "1 1")
    }

    /// A transaction that was open when everything was marked brings a message with a lower id.
    @Test func aMessageThatCommitsLaterUnderAMarkIsNews() async throws {
        let database = try await SchemaDatabase()
        let slow = try await database.connect()
        try await slow.run("begin; select belfry.notify('alice', 'JSON_MSG', '1')")
        try await Self.send(database, 1)
        try await database.query("select belfry.mark_viewed('alice', up_to => 2), belfry.mark_seen('alice', 2)")
        #expect(try await Self.unread(database) == "0 0")
        try await slow.run("commit")
        #expect(try await Self.unread(database) == "1 1")
        #expect(try await Self.page(database, ", unviewed => true") == ["1"])
        try await database.query("select belfry.mark_viewed('alice', up_to => 1)")
        #expect(try await Self.unread(database) == "0 0")
    }

    @Test func aMessageThatIsHeldBackUnderAMarkIsNewsInItsTime() async throws {
        let database = try await SchemaDatabase()
        try await database.query(
            "select belfry.notify('alice', 'JSON_MSG', '1', not_before => now() + interval '1 hour')")
        try await Self.send(database, 1)
        try await database.query("select belfry.mark_viewed('alice', up_to => 2)")
        try await database.query("select belfry.mark_seen('alice', 2)")
        #expect(try await Self.unread(database) == "0 0")
        try await database.connection.run("update belfry.message_log set not_before = now() where id = 1")
        #expect(try await Self.unread(database) == "1 1")
        #expect(try await Self.page(database, ", unviewed => true") == ["1"])
        try await database.query("select belfry.mark_viewed('alice', ids => '{1}')")
        #expect(try await Self.unread(database) == "0 0")
        #expect(try await database.value("select later from belfry.inbox") == "{}")
    }

    @Test func whatIsUnderWaySaysInItsBodyThatItIsViewed() async throws {
        let database = try await SchemaDatabase()
        try await Self.send(database, 2)
        try await database.query("select belfry.mark_viewed('alice', up_to => 1)")
        #expect(
            try await database.query(
                """
                select belfry.body(m)::jsonb -> 'viewed' from belfry.message_log m
                where receiver = 'alice' and id < 3 order by id
                """)
                == [["true"], ["false"]])
    }

    @Test func seenIsNotViewed() async throws {
        let database = try await SchemaDatabase()
        try await Self.send(database, 3)
        try await database.query("select belfry.mark_seen('alice', 2)")
        #expect(try await Self.unread(database) == "3 1")
        try await database.query("select belfry.mark_seen('alice', 1)")
        #expect(try await Self.unread(database) == "3 1", "it goes forward only")
        #expect(try await Self.announced(database) == [#"NOTIFY_VIEWED {"seenUpTo": "2"}"#])
    }

    @Test func moreThanThereIsRoomForIsMore() async throws {
        let database = try await SchemaDatabase()
        try await Self.send(database, 1_200)
        #expect(try await Self.unread(database) == "1000 1000")
        try await database.query("select belfry.mark_viewed('alice', up_to => 201)")
        #expect(try await Self.unread(database) == "999 999")
    }

    /// Two devices at once: each waits for the other, and both counts are right.
    @Test func changesOfAUserFollowOneAnother() async throws {
        let database = try await SchemaDatabase()
        try await Self.send(database, 2)
        let other = try await database.connect()
        try await other.run("begin; select belfry.mark_viewed('alice', ids => '{1}')")
        async let counts = database.query("select unviewed from belfry.mark_viewed('alice', ids => '{2}')")
        try await eventually("the second waits") {
            try await other.query("select count(*) from pg_locks where not granted") != [["0"]]
        }
        try await other.run("commit")
        #expect(try await counts == [["0"]])
    }

    /// After a restore into another cluster the log's transaction ids are above all that this one has given out, and no
    /// snapshot sees them.
    @Test func whatCameFromAnotherClusterIsUnderAMarkOfThisOne() async throws {
        let database = try await SchemaDatabase()
        try await Self.send(database, 3)
        try await database.query("update belfry.message_log set xid = '9000000000'")
        let writer = try await database.connect()
        try await writer.run(
            "begin; insert into belfry.message_log (receiver, type, data) values ('bob', 'JSON_MSG', '1')")
        // As the relay does when it starts over.
        try await database.query("update belfry.setting set foreign_up_to = 3")
        try await Self.send(database, 1)
        try await database.query("select belfry.mark_viewed('alice', up_to => 9)")
        #expect(try await Self.unread(database) == "0 0")
        #expect(
            try await database.query("select distinct viewed_at is not null, seen from belfry.history('alice')")
                == [["t", "t"]])
        #expect(try await Self.page(database, ", unviewed => true").isEmpty)
        // A message that was held back there, and under the mark, is still news in its time.
        try await database.query(
            "insert into belfry.message_log (receiver, type, data, not_before) "
                + "values ('alice', 'JSON_MSG', '1', now() + interval '0.3 seconds')")
        try await database.query("update belfry.setting set foreign_up_to = 6")
        try await Self.send(database, 1)
        try await database.query("select belfry.mark_viewed('alice', up_to => 99)")
        try await eventually("it is news") { try await Self.unread(database) == "1 1" }
        try await writer.run("rollback")
    }

    /// Also when others have begun and committed between the marking transaction's beginning and its mark.
    @Test(arguments: ["mark_viewed('alice', up_to => 99)", "mark_seen('alice', 99)"])
    func whatIsHeldBackUnderAMarkIsNewsInItsTime(_ mark: String) async throws {
        let database = try await SchemaDatabase()
        try await Self.send(database, 1)
        try await database.query(
            "insert into belfry.message_log (receiver, type, data, not_before) "
                + "values ('alice', 'JSON_MSG', '1', now() + interval '1 second')")
        try await Self.send(database, 1)
        let other = try await database.connect()
        try await other.run("begin; select pg_current_xact_id()")
        try await Self.send(database, 1, to: "bob")
        try await other.run("select belfry.\(mark); commit")
        let counts = mark.hasPrefix("mark_viewed") ? "1 1" : "3 1"
        try await eventually("it is news") { try await Self.unread(database) == counts }
        #expect(try await database.value("select seen from belfry.history('alice') where id = 2") == "f")
    }

    /// What is held back is in no history, and nobody's to delete.
    @Test func whatIsHeldBackIsNotDeleted() async throws {
        let database = try await SchemaDatabase()
        try await database.query(
            "insert into belfry.message_log (receiver, type, data, not_before) "
                + "values ('alice', 'JSON_MSG', '1', now() + interval '1 hour')")
        try await database.query("select belfry.delete_for('alice', '{1}')")
        #expect(try await database.value("select status from belfry.message_log") == "pending")
    }

    /// As for every statement of its own, an application says how long it waits.
    @Test func aRowThatAnotherTransactionHoldsIsWaitedForAsLongAsTheCallerSays() async throws {
        let database = try await SchemaDatabase()
        try await Self.send(database, 1)
        let other = try await database.connect()
        try await other.run("begin; select from belfry.message_log where id = 1 for update")
        try await database.query("set lock_timeout = '50ms'")
        let refusal = try await database.refusal("select belfry.mark_viewed('alice', ids => '{1}')")
        #expect(refusal.sqlState == "55P03")
        try await other.run("rollback")
        #expect(try await Self.unread(database) == "1 1", "nothing was half done")
    }

    @Test(arguments: [
        ("mark_viewed('alice')", "mark_viewed needs either ids or up_to."),
        ("mark_viewed('alice', '{1}', 1)", "mark_viewed needs either ids or up_to."),
        ("mark_viewed('alice', array_fill(1::bigint, '{1001}'))", "At most 1000 ids go at once, but 1001 were given."),
        ("delete_for('alice', '{1,null}')", "One of the ids is null."),
        ("delete_for('', '{1}')", "A receiver is a user's id of 1 to 255 bytes, but \"\" was given."),
        ("mark_seen('alice', null)", "mark_seen needs up_to: the newest id that was shown."),
    ])
    func whatCannotBeDoneIsRefused(_ call: String, _ message: String) async throws {
        let database = try await SchemaDatabase.shared()
        #expect(try await database.refusal("select * from belfry.\(call)").message == message)
    }

    // MARK: Who may

    @Test func writersMayDoAllOfThisAndReadNothingElse() async throws {
        let database = try await SchemaDatabase()
        try await Self.send(database, 2)
        try await database.connection.run("set role belfry_writer")
        #expect(try await Self.page(database) == ["2", "1"])
        #expect(
            try await database.query("select unviewed from belfry.mark_viewed('alice', up_to => 1)") == [["1"]])
        try await database.query("select belfry.snooze('alice', 2, now() + interval '1 hour')")
        #expect(try await database.refusal("select * from belfry.inbox").sqlState == "42501")
        #expect(try await database.refusal("select data from belfry.message_log").sqlState == "42501")
        #expect(try await database.refusal("select belfry.take_away('alice', '{1}', '')").sqlState == "42501")
    }

    @Test func operatorsReadAndUsersAreTheApplications() async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run("set role belfry_operator")
        #expect(try await database.query("select * from belfry.inbox").isEmpty)
        #expect(try await database.refusal("select belfry.mark_viewed('alice', up_to => 1)").sqlState == "42501")
    }
}
