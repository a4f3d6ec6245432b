import Postgres
import Testing

/// Replays as jobs, batch by batch: what is chosen, what is queued, and what stands against it.
@Suite struct ReplayJobTests {
    /// A database with so many expired messages of alice's.
    private static func database(expired count: Int) async throws -> SchemaDatabase {
        let database = try await SchemaDatabase()
        try await database.connection.run(
            """
            insert into belfry.message_log (receiver, type)
            select 'alice', 'JSON_MSG' from generate_series(1, \(count));
            delete from belfry.outbox;
            update belfry.message_log set status = 'expired'
            """)
        return database
    }

    /// A batch of job 1 by the leader of term 0, as if its last one were long ago. Returns what came of it.
    private func step(
        _ database: SchemaDatabase, term: Int = 0, rows: Int = 10_000, queued: Int = 1_000, unpublished: Int = 5_000
    ) async throws -> [String?] {
        try await database.query("update belfry.replay_job set paced_at = now() - interval '1 hour'")
        return try await database.query(
            "select * from belfry.step_replay_job(1, \(term), \(rows), \(queued), \(unpublished))")[0]
    }

    private func job(_ database: SchemaDatabase) async throws -> [String?] {
        try await database.query("select state, position, matched, queued, skipped, held from belfry.replay_job")[0]
    }

    @Test(arguments: [
        (
            "include_delivered => true",
            "replay needs at least one of ids, receiver, topic, type, since, until and status."
        ),
        ("status => 'lost'", "There is no status \"lost\"."),
        ("status => 'delivered'", "Delivered messages are replayed only with include_delivered => true."),
        ("receiver => 'a', rate => 0", "The rate of a job is 1 to 10000 messages a second, but 0 was given."),
        ("receiver => 'a', rate => null", "The rate of a job is 1 to 10000 messages a second, but null was given."),
        ("ids => '{}'", "The ids of a job are at least one, and none of them is null."),
        ("ids => '{1, null}'", "The ids of a job are at least one, and none of them is null."),
        ("ids => array(select generate_series(1, 10001))", "A job takes at most 10000 ids, but 10001 were given."),
        ("since => '2030-01-02', until => '2030-01-02'", "since must be earlier than until."),
    ])
    func whatCannotBeIsRefused(criteria: String, sentence: String) async throws {
        let database = try await SchemaDatabase()
        for dry in [true, false] {
            let error = try await database.refusal(
                "select belfry.create_replay_job(\(criteria), dry_run => \(dry))")
            #expect(error.sqlState == "22023")
            #expect(error.message.contains(sentence), "\(error.message)")
        }
        #expect(try await database.value("select count(*) from belfry.replay_job") == "0")
        #expect(try await database.value("select count(*) from belfry.audit") == "0")
    }

    @Test(arguments: [
        ("receiver => 'alice'", ["1", "2"]),
        ("topic => 'news'", ["4"]),
        ("type => 'STRING_MSG'", ["2", "4"]),
        ("since => '2030-01-02', until => '2030-01-04'", ["2", "3"]),
        ("status => 'parked'", ["3"]),
        ("status => 'cancelled'", ["5"]),
        ("ids => '{5, 3, 3, 99}'", ["3", "5"]),
        ("ids => '{6, 1}'", ["1"]),
        ("receiver => 'carol', include_delivered => true", ["6"]),
        ("since => '2030-01-01', include_delivered => true", ["1", "2", "3", "4", "6"]),
    ])
    func theSameAreChosenAsByTheDirectReplay(criteria: String, chosen: [String]) async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run(
            """
            select belfry.notify('alice', 'JSON_MSG', '1'), belfry.notify('alice', 'STRING_MSG', '"2"'),
                belfry.notify('bob', 'JSON_MSG', '3'), belfry.broadcast('news', 'STRING_MSG', '"4"'),
                belfry.notify('carol', 'JSON_MSG', '5'), belfry.notify('carol', 'JSON_MSG', '6');
            update belfry.message_log set created_at = '2030-01-01'::timestamptz + (id - 1) * interval '1 day';
            delete from belfry.outbox where message_id in (3, 5, 6);
            insert into belfry.parked (message_id, reason) values (3, 'r');
            update belfry.message_log set status = 'parked' where id = 3;
            update belfry.message_log set status = 'cancelled' where id = 5;
            update belfry.message_log set status = 'delivered' where id = 6
            """)
        let dry = try await database.query(
            "select matched, is_complete, estimated, sample from belfry.create_replay_job(\(criteria), dry_run => true)"
        )
        #expect(dry == [["\(chosen.count)", "t", "\(chosen.count)", "{\(chosen.joined(separator: ","))}"]])
        #expect(try await database.value("select count(*) from belfry.replay_job") == "0")
        #expect(try await database.queued() == ["1", "2", "4"])
        let direct = try await database.query("select * from belfry.replay(\(criteria), dry_run => true)")
        #expect(direct.filter { $0[2]?.hasPrefix("skip") == false }.map { $0[0] } == chosen)

        #expect(try await database.value("select job_id from belfry.create_replay_job(\(criteria))") == "1")
        #expect(try await step(database) == ["done", "\(chosen.count)", "0", "0"])
        let stamped = try await database.query(
            "select message_id from belfry.outbox where xid = (select max(xid) from belfry.outbox) order by 1")
        #expect(stamped.map { $0[0] } == chosen)
        #expect(
            try await database.value(
                "select count(*) from belfry.message_log where status_reason = 'Replayed by job 1 of postgres.'")
                == "\(chosen.count)")
        #expect(try await database.value("select count(*) from belfry.parked") == (chosen.contains("3") ? "0" : "1"))
    }

    @Test func batchesAreBoundedAndMoveAllTogether() async throws {
        let database = try await Self.database(expired: 25)
        try await database.connection.run(
            "update belfry.message_log set status = 'delivered' where id between 3 and 12")
        try await database.query("select belfry.create_replay_job(receiver => 'alice')")
        // What comes later is none of it.
        try await database.query("select belfry.notify('alice', 'JSON_MSG', '26')")
        #expect(try await step(database, queued: 3) == ["moved", "3", "0", "0"])
        #expect(try await job(database) == ["running", "13", "3", "3", "0", "{}"])
        #expect(try await step(database, rows: 4) == ["moved", "4", "0", "0"])
        #expect(try await job(database) == ["running", "17", "7", "7", "0", "{}"])
        #expect(try await step(database) == ["done", "8", "0", "0"])
        #expect(try await job(database) == ["done", "25", "15", "15", "0", "{}"])
        #expect(try await step(database) == ["gone", "0", "0", "0"])
        #expect(try await database.value("select count(distinct xid) from belfry.outbox") == "4")
    }

    @Test func nothingIsQueuedFasterThanTheRate() async throws {
        let database = try await Self.database(expired: 50)
        try await database.query("select belfry.create_replay_job(receiver => 'alice', rate => 2)")
        #expect(try await step(database) == ["moved", "2", "0", "0"])
        let next = try await database.query("select outcome from belfry.step_replay_job(1, 0, 10000, 1000, 5000)")
        #expect(next == [["paced"]])
        // A clock that was set back does not stop it for longer than that.
        try await database.query("update belfry.replay_job set paced_at = now() + interval '1 year'")
        #expect(try await database.value("select outcome from belfry.step_replay_job(1, 0, 9, 9, 5000)") == "paced")
        #expect(try await database.value("select paced_at <= clock_timestamp() from belfry.replay_job") == "t")
    }

    @Test func aRelayThatIsBehindIsNotGivenMore() async throws {
        let database = try await Self.database(expired: 50)
        try await database.query("select belfry.create_replay_job(receiver => 'alice')")
        #expect(try await step(database, queued: 10, unpublished: 10) == ["moved", "10", "0", "0"])
        #expect(try await step(database, queued: 10, unpublished: 10) == ["full", "0", "0", "0"])
        try await database.query("update belfry.relay_cursor set snapshot = pg_current_snapshot()")
        #expect(try await step(database, queued: 10, unpublished: 10) == ["moved", "10", "0", "0"])
    }

    @Test func whatIsHeldComesLater() async throws {
        let database = try await Self.database(expired: 10)
        let application = try await database.connect()
        try await application.run("select belfry.notify('alice', 'JSON_MSG', '11')")
        try await application.run(
            """
            begin;
            select from belfry.message_log where id in (2, 3) for update;
            select from belfry.outbox where message_id = 11 for update
            """)
        try await database.query("select belfry.create_replay_job(receiver => 'alice')")
        #expect(try await step(database) == ["moved", "8", "0", "3"])
        #expect(try await job(database) == ["running", "11", "11", "8", "0", "{2,3,11}"])
        #expect(try await step(database) == ["held", "0", "0", "3"])
        // One of them is taken back by whoever held it, one is gone for good.
        try await application.run(
            """
            update belfry.message_log set status = 'cancelled' where id = 3;
            delete from belfry.message_log where id = 2
            """)
        try await application.run("commit")
        #expect(try await step(database) == ["done", "1", "2", "0"])
        #expect(try await job(database) == ["done", "11", "11", "9", "2", "{}"])
        #expect(try await database.queued() == ["1", "4", "5", "6", "7", "8", "9", "10", "11"])
    }

    /// The walk stops where no more can be remembered, and those that are remembered take turns.
    @Test func aThousandAreHeldAtMost() async throws {
        let database = try await Self.database(expired: 1_500)
        let application = try await database.connect()
        try await application.run("begin; select from belfry.message_log where id > 100 for update")
        try await database.query("select belfry.create_replay_job(receiver => 'alice', rate => 10000)")
        var outcomes: [String] = []
        for _ in 1...6 { outcomes.append(try await step(database, queued: 400)[0] ?? "") }
        #expect(outcomes.last == "held")
        #expect(try await database.value("select cardinality(held) from belfry.replay_job") == "1000")
        #expect(try await database.value("select position from belfry.replay_job") == "1100")
        try await application.run("commit")
        for _ in 1...6 { outcomes.append(try await step(database, queued: 400)[0] ?? "") }
        #expect(outcomes.contains("done"))
        #expect(try await database.value("select count(*) from belfry.outbox") == "1500")
        #expect(try await database.value("select queued from belfry.replay_job") == "1500")
    }

    @Test func whatIsHeldTakesNobodysPlace() async throws {
        let database = try await Self.database(expired: 3)
        let application = try await database.connect()
        try await application.run("begin; select from belfry.message_log where id = 1 for update")
        try await database.query("select belfry.create_replay_job(receiver => 'alice', rate => 1)")
        #expect(try await step(database) == ["moved", "0", "0", "1"])
        #expect(try await step(database) == ["moved", "1", "0", "1"])
        try await application.run("commit")
        #expect(try await step(database) == ["moved", "1", "0", "0"])
        #expect(try await step(database) == ["done", "1", "0", "0"])
    }

    @Test func onlyTheLeaderOfThePresentTermMovesIt() async throws {
        let database = try await Self.database(expired: 3)
        try await database.query("select belfry.create_replay_job(receiver => 'alice')")
        try await database.query("update belfry.relay_cursor set term = 7")
        #expect(try await step(database, term: 6) == ["deposed", "0", "0", "0"])
        #expect(try await database.value("select belfry.fail_replay_job(1, 6, 'no')") == "f")
        // One that is superseded in the middle of a batch takes all of it back.
        try await database.connection.run(
            """
            create function public.depose() returns trigger language plpgsql as $$
            begin update belfry.relay_cursor set term = 8; return null; end $$;
            create trigger depose after insert on belfry.outbox for each statement execute function public.depose()
            """)
        await #expect(throws: PostgresError.self) { try await step(database, term: 7) }
        try await database.connection.run("drop trigger depose on belfry.outbox")
        #expect(try await job(database) == ["running", "0", "0", "0", "0", "{}"])
        #expect(try await database.queued().isEmpty)
        #expect(try await step(database, term: 7) == ["done", "3", "0", "0"])
    }

    @Test func operatorsPauseResumeAndCancel() async throws {
        let database = try await Self.database(expired: 10)
        try await database.query(
            "select belfry.create_replay_job(receiver => 'alice', rate => 2, actor => 'root@example.com')")
        #expect(try await step(database, queued: 2)[0] == "moved")
        #expect(try await database.value("select state from belfry.pause_replay_job(1, 'eve')") == "paused")
        #expect(try await database.value("select state from belfry.pause_replay_job(1)") == "paused")
        #expect(try await step(database)[0] == "gone")
        #expect(try await database.value("select state from belfry.resume_replay_job(1)") == "running")
        // It does not make up for the time that it stood still.
        #expect(try await database.value("select outcome from belfry.step_replay_job(1, 0, 9, 9, 9)") == "paced")
        #expect(try await database.value("select belfry.fail_replay_job(1, 0, 'A trigger refuses it.')") == "t")
        #expect(try await step(database)[0] == "gone")
        #expect(try await database.value("select reason from belfry.replay_job") == "A trigger refuses it.")
        #expect(
            try await database.refusal("select belfry.pause_replay_job(1)").message
                .contains("Job 1 is failed and cannot be paused."))
        #expect(try await database.value("select reason is null from belfry.resume_replay_job(1)") == "t")
        #expect(try await database.value("select state from belfry.cancel_replay_job(1)") == "cancelled")
        #expect(try await step(database)[0] == "gone")
        let error = try await database.refusal("select belfry.resume_replay_job(1)")
        #expect(error.sqlState == "55000" && error.message.contains("Job 1 is cancelled and cannot be resumed."))
        let unknown = try await database.refusal("select belfry.cancel_replay_job(2)")
        #expect(unknown.sqlState == "P0002" && unknown.message.contains("There is no job 2."))
        #expect(try await database.queued() == ["1", "2"])
        let acts = try await database.query("select act, actor, details ->> 'job' from belfry.audit order by id")
        #expect(
            acts == [
                ["replay_job_created", "root@example.com", "1"], ["replay_job_paused", "eve", "1"],
                ["replay_job_resumed", nil, "1"], ["replay_job_resumed", nil, "1"],
                ["replay_job_cancelled", nil, "1"],
            ])
    }

    @Test func anOperatorWhoIsAboutToChangeItIsNotWaitedFor() async throws {
        let database = try await Self.database(expired: 3)
        try await database.query("select belfry.create_replay_job(receiver => 'alice')")
        let another = try await database.connect()
        try await another.run("begin; select belfry.pause_replay_job(1)")
        let answer = try await database.query("select outcome from belfry.step_replay_job(1, 0, 10000, 1000, 5000)")
        #expect(answer == [["gone"]])
        try await another.run("rollback")
        #expect(try await step(database)[0] == "done")
    }

    @Test func aHundredJobsAreEnough() async throws {
        let database = try await SchemaDatabase()
        try await database.query("select belfry.create_replay_job(receiver => 'a') from generate_series(1, 100)")
        let error = try await database.refusal("select belfry.create_replay_job(receiver => 'a')")
        #expect(error.sqlState == "55000" && error.message.contains("There are 100 jobs that are not finished"))
        try await database.query("select belfry.cancel_replay_job(7)")
        try await database.query("select belfry.create_replay_job(receiver => 'a')")
    }
}
