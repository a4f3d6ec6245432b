import DatabaseSupport
import Postgres
import TestBasics
import Testing

/// Rules for escalations, and what they find, by SQL alone.
@Suite struct EscalationTests {
    private static let url = "https://app.example/hooks"

    private func make(after: String? = "1 second") async throws -> SchemaDatabase {
        let database = try await SchemaDatabase()
        if let after { try await database.query("select belfry.escalate('JSON_MSG', '\(after)', '\(Self.url)')") }
        return database
    }

    private func look(_ database: SchemaDatabase, rows: Int = 2_000, term: Int = 0) async throws -> [String?] {
        try await database.query(
            "select outcome, overdue from belfry.find_overdue('JSON_MSG', \(term), \(rows), 5000)")[0]
    }

    private func claim(_ database: SchemaDatabase, count: Int = 8) async throws -> [[String?]] {
        try await database.query(
            """
            select message_id, attempt, counted from belfry.claim_escalations(
                'JSON_MSG', '\(Self.url)', 0, \(count), '20 seconds')
            where message_id is not null order by 1
            """)
    }

    private func settle(_ database: SchemaDatabase, _ id: Int, attempt: Int, _ outcome: String) async throws -> Bool {
        try await database.query(
            """
            select * from belfry.settle_escalations(
                '{\(id)}', '{\(attempt)}', '{\(outcome)}', '{200}', '{""}', '{0}', 0)
            """
        ).count == 1
    }

    @Test(arguments: [
        ("NO_SUCH_TYPE", "1 hour", url, "23503"), ("JSON_MSG", "0.5 s", url, "22023"),
        ("JSON_MSG", "2 years", url, "22023"), ("JSON_MSG", "1 hour", "http://app.example/", "22023"),
        ("JSON_MSG", "1 hour", "http://localhost.evil.example/", "22023"), ("JSON_MSG", "1 hour", "ftp://x/", "22023"),
        ("JSON_MSG", "1 hour", "https://user:pw@app.example/", "22023"),
        ("JSON_MSG", "1 hour", "https://app.example/ x", "22023"), ("JSON_MSG", "1 hour", "", "22023"),
    ])
    func aRuleThatDoesNotGoIsRefused(type: String, after: String, url: String, state: String) async throws {
        let database = try await make(after: nil)
        let error = await #expect(throws: PostgresError.self) {
            try await database.query("select belfry.escalate('\(type)', '\(after)', '\(url)')")
        }
        #expect(error?.sqlState == state)
        #expect(try await database.value("select count(*) from belfry.audit") == "0")
    }

    @Test func whatOperatorsDoIsKept() async throws {
        let database = try await make()
        try await database.query("select belfry.escalate('JSON_MSG', '1 hour', '\(Self.url)/2', actor => 'root')")
        try await database.query("select belfry.retry_escalations(type => 'JSON_MSG')")
        #expect(try await database.value("select belfry.stop_escalating('JSON_MSG')") == "t")
        #expect(try await database.value("select belfry.stop_escalating('JSON_MSG')") == "f")
        let acts = try await database.query(
            "select act, actor, details ->> 'after', details #>> '{before,url}' from belfry.audit order by id")
        #expect(
            acts == [
                ["escalation_rule_set", nil, "00:00:01", nil], ["escalation_rule_set", "root", "01:00:00", Self.url],
                ["escalations_retried", nil, nil, nil], ["escalation_rule_removed", nil, "01:00:00", nil],
            ])
    }

    @Test func aLookStopsAtWhatIsYoungAndGoesOnFromThere() async throws {
        let database = try await make()
        try await database.query(
            "insert into belfry.message_log (receiver, type) select 'alice', 'JSON_MSG' from generate_series(1, 100)")
        #expect(try await look(database) == ["done", "0"])
        try await database.query("select pg_sleep(1.1)")
        try await database.query("insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG')")
        #expect(try await look(database, rows: 60) == ["moved", "60"])
        #expect(try await look(database) == ["done", "40"])
        #expect(try await look(database) == ["done", "0"])
        #expect(try await database.value("select position from belfry.escalation_rule") == "100")
        #expect(try await look(database, term: 1) == ["deposed", "0"])
        #expect(
            try await database.query("select outcome from belfry.find_overdue('JSON_MSG', 0, 100, 100)") == [["full"]])
    }

    /// Written by hand, or by a machine whose clock is wrong.
    @Test func aTimeThatHasNotComeHoldsUpNobody() async throws {
        let database = try await make()
        try await database.connection.run(
            """
            insert into belfry.message_log (receiver, type, created_at)
            values ('alice', 'JSON_MSG', now() + interval '1 year');
            insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG');
            select pg_sleep(1.1)
            """)
        #expect(try await look(database) == ["done", "2"])
        #expect(try await claim(database) == [["2", "1", "1"]])
    }

    @Test func whatIsClaimedIsNobodyElsesUntilItIsSettled() async throws {
        let database = try await make()
        try await database.connection.run(
            """
            insert into belfry.message_log (receiver, type) select 'alice', 'JSON_MSG' from generate_series(1, 2);
            select pg_sleep(1.1)
            """)
        _ = try await look(database)
        #expect(try await claim(database, count: 1).count == 1)
        #expect(try await claim(database) == [["2", "1", "1"]])
        #expect(try await claim(database).isEmpty)
        // The lease of the first is over, and another relay has it now: what the first one says of it is old.
        try await database.query("update belfry.escalation set next_at = now() where message_id = 1")
        #expect(try await claim(database) == [["1", "2", "2"]])
        #expect(try await !settle(database, 1, attempt: 1, "failed"))
        #expect(try await settle(database, 1, attempt: 2, "again"))
        // Meanwhile the rule went; what the application has accepted it has accepted.
        try await database.query("select belfry.stop_escalating('JSON_MSG')")
        #expect(try await !settle(database, 2, attempt: 1, "again"))
        #expect(try await settle(database, 2, attempt: 1, "sent"))
        #expect(
            try await database.query("select message_id, state from belfry.escalation order by 1")
                == [["1", "withdrawn"], ["2", "sent"]])
    }

    @Test func whatIsTriedAgainHasAllItsTries() async throws {
        let database = try await make()
        try await database.connection.run(
            "insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG'); select pg_sleep(1.1)")
        _ = try await look(database)
        #expect(try await claim(database) == [["1", "1", "1"]])
        // Under way: nobody has it sent a second time meanwhile.
        #expect(try await database.value("select belfry.retry_escalations('{1}')") == "0")
        #expect(try await settle(database, 1, attempt: 1, "failed"))
        #expect(try await claim(database).isEmpty)
        #expect(try await database.value("select belfry.retry_escalations(type => 'JSON_MSG')") == "1")
        #expect(try await claim(database) == [["1", "2", "1"]])
        #expect(try await settle(database, 1, attempt: 2, "sent"))
        #expect(try await database.value("select belfry.retry_escalations('{1}')") == "0")
    }

    @Test func deletingMessagesWaitsForNobody() async throws {
        let database = try await make()
        try await database.connection.run(
            """
            insert into belfry.message_log (receiver, type) select 'alice', 'JSON_MSG' from generate_series(1, 2);
            select pg_sleep(1.1)
            """)
        _ = try await look(database)
        let relay = try await database.connect()
        try await relay.run("begin; select from belfry.escalation where message_id = 1 for update")
        try await database.connection.run(
            "set lock_timeout = '1s'; delete from belfry.outbox; delete from belfry.message_log")
        #expect(try await database.query("select message_id from belfry.escalation") == [["1"]])
        try await relay.run("commit")
        #expect(try await claim(database).isEmpty)
        #expect(try await database.value("select count(*) from belfry.escalation") == "0")
        await relay.close()
    }

    /// Makes messages as old as it takes.
    private func age(_ database: SchemaDatabase) async throws {
        try await database.query("update belfry.message_log set created_at = created_at - interval '1 minute'")
    }

    @Test func whatCommitsLateAndIsParkedAtOnceIsFound() async throws {
        let database = try await make()
        try await database.query("update belfry.escalation_rule set since = '-infinity'")
        let late = try await database.connect()
        try await late.run("begin; insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG')")
        try await database.query("insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG')")
        try await age(database)
        #expect(try await look(database) == ["done", "1"])
        try await late.run("commit")
        try await database.connection.run(
            """
            delete from belfry.outbox where message_id = 1;
            update belfry.message_log set status = 'parked' where id = 1;
            insert into belfry.parked (message_id, reason) values (1, 'Too large.')
            """)
        try await age(database)
        #expect(try await look(database)[1] == "1")
        #expect(try await database.query("select message_id from belfry.escalation order by 1") == [["1"], ["2"]])
        await late.close()
    }

    /// An INSERT takes the id of its message before its transaction has an id, and anything may run in between.
    @Test(arguments: ["begin; $; commit", "begin; $", "$"])
    func whoHasAnIDForTheMessageAndNoneOfTheTransactionIsFound(_ form: String) async throws {
        let database = try await make()
        try await database.connection.run(
            """
            update belfry.escalation_rule set since = '-infinity';
            create function public.waits() returns jsonb language sql volatile as
                'select pg_advisory_lock(7); select pg_advisory_unlock(7); select ''{}''::jsonb'
            """)
        // The first id of each 32 gives its transaction a number, as the sequence is logged then.
        try await database.query("select nextval('belfry.message_log_id_seq')")
        let (holder, slow) = (try await database.connect(), try await database.connect())
        try await holder.run("select pg_advisory_lock(7)")
        let insert = """
            insert into belfry.message_log (receiver, type, created_at, data)
            values ('alice', 'JSON_MSG', now() - interval '1 hour', public.waits())
            """
        let writing = Task { try await slow.run(form.replacing("$", with: insert)) }
        try await eventually("it waits") {
            try await database.value("select count(*) from pg_locks where locktype = 'advisory' and not granted") == "1"
        }
        try await database.query(
            """
            insert into belfry.message_log (receiver, type, created_at)
            values ('bob', 'JSON_MSG', now() - interval '1 hour')
            """)
        #expect(try await look(database) == ["done", "1"])
        #expect(try await look(database)[1] == "0")
        #expect(try await database.value("select cardinality(writers) from belfry.escalation_rule") == "1")
        try await holder.run("select pg_advisory_unlock(7)")
        try await writing.value
        if form == "begin; $" {
            #expect(try await look(database)[1] == "0")
            try await slow.run("commit")
        }
        #expect(try await look(database)[1] == "1")
        let found = try await database.query(
            """
            select m.receiver from belfry.escalation e join belfry.message_log m on m.id = e.message_id
            order by m.id
            """)
        #expect(found == [["alice"], ["bob"]])
        #expect(try await database.value("select writers::text from belfry.escalation_rule") == "{}")
        for connection in [holder, slow] { await connection.close() }
    }

    /// The highest transaction id of all is in no snapshot while it runs, and a lower one may write a later message.
    @Test func whoRunsWithTheHighestTransactionIDIsFound() async throws {
        let database = try await make()
        try await database.query("update belfry.escalation_rule set since = '-infinity'")
        let (first, second) = (try await database.connect(), try await database.connect())
        func insert(_ user: String) -> String {
            """
            insert into belfry.message_log (receiver, type, created_at)
            values ('\(user)', 'JSON_MSG', now() - interval '1 hour')
            """
        }
        try await first.run("begin; select pg_current_xact_id()")
        try await second.run("begin; \(insert("alice"))")
        try await first.run("\(insert("bob")); commit")
        #expect(try await look(database) == ["done", "1"])
        #expect(try await look(database)[1] == "0")
        try await second.run("commit")
        #expect(try await look(database)[1] == "1")
        #expect(try await database.query("select message_id from belfry.escalation order by 1") == [["1"], ["2"]])
        for connection in [first, second] { await connection.close() }
    }

    @Test func whatAReplayHoldsIsLeftForLaterAndHoldsUpNothing() async throws {
        let database = try await make()
        try await database.query("update belfry.escalation_rule set since = '-infinity'")
        try await database.query(
            "insert into belfry.message_log (receiver, type) select 'alice', 'JSON_MSG' from generate_series(1, 3)")
        try await age(database)
        let replay = try await database.connect()
        try await replay.run("begin; select * from belfry.replay(ids => '{1}')")
        try await database.connection.run("set lock_timeout = '1s'")
        #expect(try await look(database) == ["done", "2"])
        #expect(try await database.value("select held::text from belfry.escalation_rule") == "{1}")
        #expect(try await look(database)[1] == "0")
        try await replay.run("rollback")
        #expect(try await look(database)[1] == "1")
        #expect(try await database.value("select held::text from belfry.escalation_rule") == "{}")
        await replay.close()
    }

    @Test func anOpenChangeOfARuleHoldsUpWhatCameOfItsWebhooksOnly() async throws {
        let database = try await make()
        try await database.query("select belfry.escalate('STRING_MSG', '1 second', '\(Self.url)')")
        try await database.query("update belfry.escalation_rule set since = '-infinity'")
        try await database.query(
            """
            insert into belfry.message_log (receiver, type, data)
            values ('alice', 'JSON_MSG', '1'), ('alice', 'STRING_MSG', '"x"')
            """)
        try await age(database)
        for type in ["JSON_MSG", "STRING_MSG"] {
            try await database.query("select belfry.find_overdue('\(type)', 0, 100, 100)")
            try await database.query(
                "select * from belfry.claim_escalations('\(type)', '\(Self.url)', 0, 8, '20 seconds')")
        }
        let change = try await database.connect()
        try await change.run("begin; select belfry.escalate('JSON_MSG', '1 hour', '\(Self.url)')")
        try await database.connection.run("set lock_timeout = '1s'")
        let settled = try await database.query(
            """
            select message_id, is_held from belfry.settle_escalations(
                '{1,2}', '{1,1}', '{sent,sent}', '{200,200}', '{"",""}', '{0,0}', 0) order by 1
            """)
        #expect(settled == [["1", "t"], ["2", "f"]])
        try await change.run("rollback")
        #expect(try await settle(database, 1, attempt: 1, "sent"))
        #expect(
            try await database.query("select type, sent from belfry.escalation_rule order by 1")
                == [["JSON_MSG", "1"], ["STRING_MSG", "1"]])
        await change.close()
    }

    @Test func aRuleThatIsChangedHoldsForWhatWasReplayed() async throws {
        let database = try await make(after: "1 hour")
        try await database.query("insert into belfry.message_log (receiver, type) values ('alice', 'JSON_MSG')")
        try await database.query("select * from belfry.replay(ids => '{1}')")
        try await database.query("select belfry.escalate('JSON_MSG', '2 seconds', '\(Self.url)')")
        #expect(
            try await database.value(
                "select next_at < now() + interval '3 seconds' and due_at = counts_from + interval '2 seconds' "
                    + "from belfry.escalation") == "t")
    }
}
