import Postgres
import TestBasics
import Testing

/// What holds for the schema as a whole.
@Suite struct SchemaContractTests {
    @Test func markingIsHOT() async throws {
        let database = try await SchemaDatabase()
        try await database.query(
            """
            insert into belfry.message_log (receiver, type, data)
            select 'user' || i, 'JSON_MSG', '{"order": 17, "note": "hello"}' from generate_series(1, 2000) i
            """)
        for first in stride(from: 1, to: 2000, by: 25) {
            try await database.query(
                """
                with gone as (delete from belfry.outbox where message_id between $1 and $1 + 24 returning message_id)
                update belfry.message_log m set status = 'delivered', delivered_at = now()
                from gone where m.id = gone.message_id
                """, .int64(Int64(first)))
        }
        try await database.query("select pg_stat_force_next_flush()")
        try await eventually("the statistics") {
            try await database.value(
                "select n_tup_upd from pg_stat_user_tables where relname = 'message_log'") == "2000"
        }
        let hot = try await database.value(
            "select n_tup_hot_upd > 1900 from pg_stat_user_tables where relname = 'message_log'")
        #expect(hot == "t")
    }

    @Test func noIndexHoldsTheStatus() async throws {
        let database = try await SchemaDatabase()
        let indexes = try await database.query(
            "select indexdef from pg_indexes where schemaname = 'belfry' and tablename = 'message_log'")
        for index in indexes.compactMap({ $0[0] }) { #expect(!index.contains("status"), "\(index)") }
    }

    @Test func nothingIsOpenToEverybody() async throws {
        let database = try await SchemaDatabase()
        let functions = try await database.query(
            """
            select p.oid::regprocedure from pg_proc p
            where p.pronamespace = 'belfry'::regnamespace and has_function_privilege('pg_monitor', p.oid, 'execute')
            """)
        #expect(functions.isEmpty)
        let relations = try await database.query(
            """
            select c.oid::regclass from pg_class c
            where c.relnamespace = 'belfry'::regnamespace and c.relacl::text ~ '[{,]='
            """)
        #expect(relations.isEmpty)
        #expect(try await database.value("select has_schema_privilege('pg_monitor', 'belfry', 'usage')") == "f")
    }

    @Test func functionsWithTheOwnersRightsFixTheirSearchPath() async throws {
        let database = try await SchemaDatabase()
        let functions = try await database.query(
            """
            select p.proname, p.proconfig::text like '%search_path=pg_catalog, pg_temp%' from pg_proc p
            where p.pronamespace = 'belfry'::regnamespace and p.prosecdef order by 1
            """)
        #expect(
            functions.map { $0[0] } == [
                "cancel", "cancel_all_for", "cancel_for", "cancel_replay_job", "check_sample", "claim_escalations",
                "create_replay_job", "delete_for", "delete_old", "delete_old_acts", "end_watch", "escalate",
                "fail_replay_job", "find_overdue", "forget_escalations", "history", "mark_escalated", "mark_seen",
                "mark_viewed",
                "message_id_of", "note_escalation_problem", "note_unqueued", "pause_replay_job",
                "present_incarnation", "queue_messages", "record_act", "register_type", "register_type_for",
                "repair_outbox", "replay",
                "replay_for", "resume_replay_job", "retry_escalations", "set_watch", "settle_escalations", "snooze",
                "step_replay_job", "stop_escalating", "unread",
            ])
        for function in functions { #expect(function[1] == "t", "\(function)") }
    }

    /// psql's \d+ and \df+ are where people read what the schema holds.
    @Test func everythingInTheSchemaSaysWhatItIs() async throws {
        let database = try await SchemaDatabase()
        let silent = try await database.query(
            """
            select 'column ' || c.oid::regclass::text || '.' || a.attname from pg_class c
            join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            where c.relnamespace = 'belfry'::regnamespace and c.relkind in ('r', 'v')
                and col_description(c.oid, a.attnum) is null
            union all
            select 'relation ' || c.oid::regclass::text from pg_class c
            where c.relnamespace = 'belfry'::regnamespace and c.relkind in ('r', 'v', 'S', 'i')
                and obj_description(c.oid, 'pg_class') is null
            union all
            select 'trigger ' || t.tgname from pg_trigger t join pg_class c on c.oid = t.tgrelid
            where c.relnamespace = 'belfry'::regnamespace and not t.tgisinternal
                and obj_description(t.oid, 'pg_trigger') is null
            union all
            select 'domain ' || t.typname from pg_type t
            where t.typnamespace = 'belfry'::regnamespace and t.typtype = 'd'
                and obj_description(t.oid, 'pg_type') is null
            union all
            select 'function ' || p.oid::regprocedure::text from pg_proc p
            where p.pronamespace = 'belfry'::regnamespace and obj_description(p.oid, 'pg_proc') is null
            """)
        #expect(silent.isEmpty)
    }

    @Test func theCursorBeginsWithNothingPublished() async throws {
        let database = try await SchemaDatabase()
        let row = try await database.query("select shard, snapshot, term, target, relay from belfry.relay_cursor")
        #expect(row == [["0", "1:1:", "0", nil, nil]])
        #expect(try await database.value("select last_value from belfry.doorbell") == "1")
    }

    @Test func theUndeliveredSayWhatTheyWaitFor() async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run(
            """
            select belfry.notify('alice', 'JSON_MSG', '1'), belfry.notify('bob', 'JSON_MSG', '2'),
                belfry.notify('carol', 'JSON_MSG', '3', not_before => now() + interval '1 day'),
                belfry.broadcast('news', 'JSON_MSG', '4'), belfry.notify('dan', 'JSON_MSG', '5'),
                belfry.notify('erin', 'JSON_MSG', '6', expires_at => now() - interval '1 s'),
                belfry.notify('frank', 'JSON_MSG', '7', not_before => now() + interval '1 day');
            update belfry.outbox set not_before = now() - interval '1 s' where message_id = 7;
            insert into belfry.session (id, node_id, receiver) values (gen_random_uuid(), gen_random_uuid(), 'bob');
            delete from belfry.outbox where message_id = 5;
            insert into belfry.parked (message_id, reason, attempts) values (5, 'too large', 3);
            update belfry.message_log set status = 'parked' where id = 5
            """)
        let before = try await database.query("select waits_for from belfry.undelivered order by id")
        #expect(before.first == ["the relay"])
        try await database.query("update belfry.relay_cursor set snapshot = pg_current_snapshot()")
        let after = try await database.query(
            """
            select regexp_replace(waits_for, ': [0-9].*', ''), last_error, attempts
            from belfry.undelivered order by id
            """)
        #expect(
            after == [
                ["a session of its receiver", nil, "0"], ["an acknowledgement by a session", nil, "0"],
                ["its time", nil, "0"], ["the end of its time for late nodes", nil, "0"],
                ["an operator: it is parked", "too large", "3"], ["nothing: it has expired", nil, "0"],
                // Its time has come, and the relay has to let it go, whoever is connected.
                ["the relay", nil, "0"],
            ])
    }
}
