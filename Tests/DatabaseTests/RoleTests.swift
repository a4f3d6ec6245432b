import Postgres
import Testing

/// What each role may, and above all may not.
@Suite struct RoleTests {
    private static let writerMayNot = [
        "select data from belfry.message_log",
        "select * from belfry.message_log",
        "select receiver from belfry.message_log where id = 1",
        "select idempotency_key from belfry.message_log",
        "insert into belfry.message_log (receiver, type) values ('a', 'JSON_MSG') returning data",
        "insert into belfry.message_log (receiver, type, status) values ('a', 'JSON_MSG', 'delivered')",
        "insert into belfry.message_log (receiver, type, created_at) values ('a', 'JSON_MSG', now())",
        "insert into belfry.message_log (receiver, type, viewed_at) values ('a', 'JSON_MSG', now())",
        "update belfry.message_log set status = 'delivered'",
        "update belfry.message_log set data = '1' where id = 1",
        "delete from belfry.message_log",
        "truncate belfry.message_log",
        "select * from belfry.outbox",
        "insert into belfry.outbox (message_id, xid) values (1, '1')",
        "update belfry.outbox set attempts = 0",
        "delete from belfry.outbox",
        "select * from belfry.parked",
        "select * from belfry.undelivered",
        "select * from belfry.session",
        "select * from belfry.node",
        "select * from belfry.relay_cursor",
        "update belfry.relay_cursor set term = 9",
        "select * from belfry.notification_type",
        "insert into belfry.notification_type (name) values ('X')",
        "select * from belfry.setting",
        "update belfry.setting set data_bytes_max = 1",
        "select * from belfry.migration",
        "select last_value from belfry.doorbell",
        "select setval('belfry.doorbell', 2)",
        "select nextval('belfry.doorbell')",
        "select belfry.ring()",
        "select belfry.replay('{1}')",
        "select belfry.queue_again('{1}', true, 'r')",
        "select belfry.register_type('X')",
        "select * from belfry.audit",
        "select * from belfry.replay_job",
        "select belfry.create_replay_job('{1}')",
        "select belfry.create_replay_job('{1}', dry_run => true)",
        "select belfry.pause_replay_job(1)",
        "select belfry.resume_replay_job(1)",
        "select belfry.cancel_replay_job(1)",
        "select belfry.step_replay_job(1, 0, 1, 1, 1)",
        "select belfry.fail_replay_job(1, 0, 'r')",
        "select belfry.record_act('replay', null, '{}')",
        "select * from belfry.escalation",
        "select * from belfry.escalation_rule",
        "select belfry.escalate('JSON_MSG', '1 hour', 'https://evil.example/')",
        "select belfry.stop_escalating('JSON_MSG')",
        "select belfry.retry_escalations('{1}')",
        "select belfry.claim_escalations('JSON_MSG', '', 0, 1, '1 s')",
        "select belfry.escalation_body(null, null)",
        "select escalated_at from belfry.message_log",
        "select belfry.cancel_for(1, 'root')",
        "select * from belfry.hop",
        "insert into belfry.hop values (1, now(), 'p', 'sent', '{}')",
        "select * from belfry.watch",
        "select belfry.set_watch('alice')",
        "select belfry.end_watch(1)",
        "select belfry.take_headers(1, '{}')",
        "create table belfry.mine (id int)",
        "alter table belfry.message_log disable trigger all",
        "drop table belfry.message_log",
    ]

    private static let serviceMayNot = [
        "update belfry.message_log set data = '1'",
        "update belfry.message_log set receiver = 'mallory'",
        "delete from belfry.message_log",
        "truncate belfry.outbox",
        "insert into belfry.message_log (receiver, type, status) values ('a', 'JSON_MSG', 'delivered')",
        "insert into belfry.notification_type (name) values ('X')",
        "update belfry.notification_type set schema = 'true'",
        "update belfry.setting set data_bytes_max = 1",
        "insert into belfry.migration (version, name) values (999, 'x')",
        "select belfry.replay('{1}')",
        "select belfry.queue_again('{1}', true, 'r')",
        "select belfry.register_type('X')",
        "update belfry.hop set what = 'marked'",
        "insert into belfry.watch (receiver, until) values ('alice', now())",
        "select belfry.set_watch('alice')",
        "create table belfry.mine (id int)",
        "alter table belfry.message_log disable trigger all",
    ]

    private static let operatorMayNot = [
        "insert into belfry.message_log (receiver, type) values ('a', 'JSON_MSG')",
        "select belfry.notify('a', 'JSON_MSG', '1')",
        "select belfry.broadcast('a', 'JSON_MSG', '1')",
        "update belfry.message_log set status = 'delivered'",
        "delete from belfry.message_log",
        "insert into belfry.outbox (message_id, xid) values (1, '1')",
        "update belfry.outbox set attempts = 0",
        "delete from belfry.outbox",
        "delete from belfry.parked",
        "delete from belfry.session",
        "delete from belfry.node",
        "update belfry.relay_cursor set term = 9",
        "update belfry.setting set data_bytes_max = 1",
        "insert into belfry.notification_type (name) values ('X')",
        "select setval('belfry.doorbell', 2)",
        "select nextval('belfry.doorbell')",
        "select belfry.ring()",
        "select belfry.queue_again('{1}', true, 'r')",
        "select belfry.step_replay_job(1, 0, 1, 1, 1)",
        "select belfry.fail_replay_job(1, 0, 'r')",
        "select belfry.record_act('replay', null, '{}')",
        "select belfry.cancel_for(1, 'root')",
        "select belfry.change_replay_job(1, 'done', null)",
        "delete from belfry.hop",
        "delete from belfry.watch",
        "insert into belfry.watch (receiver, until) values ('alice', now())",
        "select belfry.register_type('X')",
        "create table belfry.mine (id int)",
    ]

    private func expectDenied(_ role: String, _ statements: [String]) async throws {
        let database = try await SchemaDatabase()
        try await database.query("select belfry.notify('alice', 'JSON_MSG', '1')")
        try await database.connection.run("set role \(role)")
        for statement in statements {
            let error = try await database.refusal(statement)
            #expect(error.sqlState == "42501", "\(statement): \(error.message)")
        }
        try await database.connection.run("reset role")
        #expect(try await database.statuses() == ["pending"])
        #expect(try await database.queued() == ["1"])
    }

    @Test func aWriterMayNotReadMarkOrTouchTheOutbox() async throws {
        try await expectDenied("belfry_writer", Self.writerMayNot)
    }

    @Test func aServiceMayNotRewriteMessages() async throws {
        try await expectDenied("belfry_service", Self.serviceMayNot)
    }

    @Test func anOperatorMayNotWrite() async throws {
        try await expectDenied("belfry_operator", Self.operatorMayNot)
    }

    @Test func whoHasNoRoleMayNothing() async throws {
        try await expectDenied(
            "pg_monitor", ["select id from belfry.message_log", "select belfry.notify('a', 'b', '1')"])
    }

    @Test func aWriterSendsAndTakesBack() async throws {
        let database = try await SchemaDatabase()
        try await database.registerOrderType()
        try await database.connection.run("set role belfry_writer")
        let id = try await database.value(
            "insert into belfry.message_log (receiver, type, data) values ('a', 'JSON_MSG', '1') returning id")
        try await database.query("select belfry.broadcast('news', 'STRING_MSG', '\"x\"', idempotency_key => 'k')")
        #expect(
            try await database.value("select belfry.broadcast('news', 'STRING_MSG', '\"x\"', idempotency_key => 'k')")
                == "2")
        let error = try await database.refusal("select belfry.notify('a', 'ORDER_CREATED', '{}')")
        #expect(error.detail == "data.order: is required, but missing")
        let unknown = try await database.refusal("select belfry.notify('a', 'ORDER_CREATE', '{}')")
        #expect(unknown.hint?.contains("\"ORDER_CREATED\"") == true)
        #expect(try await database.value("select belfry.cancel($1::bigint)", .text(id ?? "")) == "t")
        try await database.connection.run("reset role")
        #expect(try await database.statuses() == ["cancelled", "pending"])
    }

    @Test func aServiceDoesTheWorkOfRelayAndNode() async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run(
            """
            set role belfry_service;
            select belfry.notify('alice', 'JSON_MSG', '1', headers => '{"a": "b"}');
            select setval('belfry.doorbell', 2);
            select last_value from belfry.doorbell;
            update belfry.relay_cursor set term = term + 1,
                system_identifier = (select system_identifier from pg_control_system());
            insert into belfry.node (id, host, pid, listen) values (gen_random_uuid(), 'h', 1, 'l');
            insert into belfry.session (id, node_id, receiver) select gen_random_uuid(), id, 'alice' from belfry.node;
            select belfry.body(m), belfry.header_lines(m.headers) from belfry.message_log m;
            update belfry.outbox set attempts = 1;
            delete from belfry.outbox;
            insert into belfry.parked (message_id, reason) select id, 'r' from belfry.message_log;
            update belfry.message_log
            set status = 'parked', status_reason = 'r', delivered_at = now(), viewed_at = now();
            delete from belfry.parked; delete from belfry.session; delete from belfry.node;
            select * from belfry.undelivered; select * from belfry.migration; select * from belfry.setting;
            select * from belfry.notification_type; select belfry.ring()
            """)
        #expect(try await database.value("select term from belfry.relay_cursor") == "1")
    }

    @Test func anOperatorReadsReplaysAndCancels() async throws {
        let database = try await SchemaDatabase()
        try await database.query("select belfry.notify('alice', 'JSON_MSG', '1')")
        try await database.connection.run(
            """
            set role belfry_operator;
            select * from belfry.message_log; select * from belfry.outbox; select * from belfry.parked;
            select * from belfry.node; select * from belfry.session; select * from belfry.relay_cursor;
            select * from belfry.notification_type; select * from belfry.setting; select * from belfry.migration;
            select * from belfry.undelivered; select last_value from belfry.doorbell;
            select belfry.body(m), belfry.header_lines(m.headers) from belfry.message_log m
            """)
        #expect(try await database.value("select action from belfry.replay(receiver => 'alice')") == "publish again")
        #expect(try await database.value("select belfry.cancel(1)") == "t")
    }

    @Test func whomTheOwnerGrantsItMayRegisterTypes() async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run(
            """
            grant execute on function belfry.register_type to belfry_writer;
            set role belfry_writer;
            select belfry.register_type('X', '{"type": "string"}');
            select belfry.notify('alice', 'X', '"x"');
            reset role
            """)
        #expect(try await database.queued() == ["1"])
    }
}
