import DatabaseSupport
import Postgres
import Testing

/// What operators do is kept, with who and what.
@Suite struct AuditTests {
    private func acts(_ database: SchemaDatabase) async throws -> [[String?]] {
        try await database.query("select who, actor, act, details::text from belfry.audit order by id")
    }

    @Test func aReplayIsKeptAndADryRunIsNot() async throws {
        let database = try await SchemaDatabase()
        try await database.query("select belfry.notify('alice', 'JSON_MSG', '1')")
        try await database.query("select belfry.replay(receiver => 'alice', dry_run => true)")
        #expect(try await acts(database).isEmpty)
        try await database.query("select belfry.replay(ids => '{1, 2}')")
        #expect(
            try await acts(database) == [
                ["postgres", nil, "replay", #"{"ids": ["1", "2"], "queued": 1, "idCount": 2}"#]
            ])
    }

    @Test func aReplayThatIsRolledBackDidNotHappen() async throws {
        let database = try await SchemaDatabase()
        try await database.connection.run("begin; select belfry.replay(receiver => 'alice'); rollback")
        #expect(try await acts(database).isEmpty)
    }

    @Test func anOperatorsCancelIsKeptAndAnApplicationsIsNot() async throws {
        let database = try await TestServer.makeDatabase()
        let (owner, people) = (try await database.connect(), try await database.connect(role: "test_operator"))
        try await owner.run(
            """
            do $$ begin create role test_writer login in role belfry_writer; exception when duplicate_object then null;
            end $$
            """)
        let application = try await database.connect(role: "test_writer")
        try await application.run("select belfry.notify('alice', 'JSON_MSG', '1') from generate_series(1, 3)")
        // Whatever somebody does with the list, an application's transaction does not wait for it.
        let locker = try await database.connect()
        try await locker.run("begin; lock table belfry.audit in access exclusive mode")
        try await application.run("set lock_timeout = '1s'; select belfry.cancel(1)")
        try await locker.run("rollback")
        try await people.run("select belfry.cancel(2); select belfry.cancel(2)")
        let rows = try await owner.rows("select who, act, details ->> 'id', details ->> 'cancelled' from belfry.audit")
        #expect(
            rows == [["test_operator", "cancel", "2", "true"], ["test_operator", "cancel", "2", "false"]])
        for connection in [owner, people, application, locker] { await connection.close() }
    }

    @Test func aChangedTypeIsKeptWithBothSchemas() async throws {
        let database = try await SchemaDatabase()
        try await database.query("select belfry.register_type('X', '{\"const\": null}')")
        try await database.query("select belfry.register_type('X', '{\"const\": null}')")
        try await database.query("select belfry.register_type('X', 'true', 'Anything.')")
        let acts = try await database.query(
            """
            select details ->> 'type', details ->> 'before', details ->> 'after', details ->> 'description'
            from belfry.audit where act = 'type_changed' order by id
            """)
        #expect(
            acts == [
                ["X", nil, "{\"const\": null}", nil], ["X", "{\"const\": null}", "true", "Anything."],
            ])
    }

    @Test func nobodyOfBelfrysRewritesIt() async throws {
        let database = try await SchemaDatabase()
        try await database.query("select belfry.replay(receiver => 'alice')")
        for role in ["belfry_writer", "belfry_service", "belfry_operator"] {
            try await database.connection.run("set role \(role)")
            for statement in [
                "delete from belfry.audit", "truncate belfry.audit", "update belfry.audit set who = 'nobody'",
                "insert into belfry.audit (act) values ('replay')", "delete from belfry.replay_job",
                "update belfry.replay_job set state = 'done'",
                "insert into belfry.replay_job (receiver, rate, first_id, last_id, position) values ('a', 1, 0, 0, 0)",
            ] {
                let error = try await database.refusal(statement)
                #expect(error.sqlState == "42501", "\(role): \(statement)")
            }
            try await database.connection.run("reset role")
        }
        #expect(try await acts(database).count == 1)
    }
}
