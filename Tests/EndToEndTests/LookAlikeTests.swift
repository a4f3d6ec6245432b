import BelfryModel
import DatabaseSupport
import Logging
import Outbox
import Postgres
import TestBasics
import TestSupport
import Testing

/// No writer runs code as Belfry: functions and operators that an application's role puts beside PostgreSQL's are not
/// found, whoever sends what.
@Suite struct LookAlikeTests {
    @Test func theWholePathRunsNone() async throws {
        let traps = try await LookAlikes(in: try await TestServer.makeDatabase())
        #expect(try await traps.count() > 5_000)
        try await proveThatTrapsWork(traps)

        var limits = Limits()
        limits.nackDelay = .milliseconds(100)
        limits.nacksMax = 2
        limits.topicHold = .seconds(1)
        limits.reconcileInterval = .milliseconds(300)
        limits.degradedInterval = .milliseconds(200)
        limits.heartBeatMilliseconds = 200
        do {
            try await walk(limits, traps)
        } catch {
            // What was caught says more of it.
            Issue.record(error)
        }
        #expect(try await traps.caught() == [])

        // A writer falls into his own traps, and nobody else does for him.
        try await writeWithTheDefaultPath(traps)
        #expect(try await traps.caught(except: LookAlikes.landlord) == [])
        await traps.close()
    }

    @Test func theMigratorRunsAndBindsNone() async throws {
        let database = try await TestServer.makeDatabase(isMigrated: false)
        let traps = try await LookAlikes(in: database)
        try await proveThatTrapsWork(traps)
        let migrator = Migrator(configuration: try database.configuration(), logger: .quiet)
        #expect(try await migrator.apply().count == Migration.all.count)
        try await migrator.requireCurrent()
        #expect(try await migrator.status().pending.isEmpty)
        #expect(try await traps.caught() == [])
        #expect(try await traps.bound() == [])
        await traps.close()
    }

    /// A session with PostgreSQL's own path runs a look-alike of a function and one of an operator, and binds to one.
    private func proveThatTrapsWork(_ traps: LookAlikes) async throws {
        let database = TestDatabase(url: traps.url)
        let victim = try await database.connect(role: LookAlikes.service)
        try await victim.run("set search_path = \"$user\", public")
        for trapped in ["select pg_column_size('1'::jsonb)", "select '1'::text = 1::bigint"] {
            _ = try await victim.execute(PostgresStatement("", trapped))
        }
        await victim.close()
        let caught = try await traps.caught()
        #expect(
            caught == [
                "test_service.pg_column_size as test_service", "text operator bigint as test_service",
            ])
        try await traps.reset()
        #expect(try await traps.caught() == [])

        let owner = try await database.connect()
        try await owner.run(
            """
            set search_path = public;
            create schema proof;
            create view proof.bound as select pg_column_size('1'::jsonb) as size
            """)
        #expect(try await traps.bound(in: "proof").count == 1)
        try await owner.run("drop schema proof cascade")
        await owner.close()
    }

    private func walk(_ limits: Limits, _ traps: LookAlikes) async throws {
        try await Installation.with(limits: limits, database: traps.url, serviceRole: LookAlikes.service) { belfry in
            try await belfry.application.run(LookAlikes.safePath)
            try await receiveAndAcknowledge(belfry)
            try await refuseUntilParkedAndReplay(belfry)
            try await broadcastAndReconcile(belfry)
            try await expireHoldBackAndCancel(belfry)
            try await beatAndBury(belfry)
        }
    }

    private func receiveAndAcknowledge(_ belfry: Installation) async throws {
        let waiting = try await belfry.application.notify("alice", #"{"waited": true}"#)
        let alice = try await belfry.connect("alice", heartBeat: "200,200")
        try await alice.subscribe("/user/queue/msg", receipt: "sub")
        let live = try await belfry.application.notify("alice")
        for id in [waiting, live] {
            let message = try await alice.nextMessage()
            #expect(message.messageID == id)
            try await alice.ack(message, receipt: "ack\(id)")
            #expect(try await belfry.application.status(id) == "delivered")
        }
        try await alice.disconnect()
        let automatic = try await belfry.connect("alice")
        try await automatic.subscribe("/user/queue/msg", ack: "auto", receipt: "sub")
        let id = try await belfry.application.notify("alice")
        #expect(try await automatic.nextMessage().messageID == id)
        try await belfry.application.waitForStatus("delivered", of: id)
        try await automatic.disconnect()
    }

    private func refuseUntilParkedAndReplay(_ belfry: Installation) async throws {
        let bob = try await belfry.connect("bob")
        try await bob.subscribe("/user/queue/msg", receipt: "sub")
        let id = try await belfry.application.notify("bob")
        for attempt in 1...2 { try await bob.nack(try await bob.nextMessage(), receipt: "nack\(attempt)") }
        try await belfry.application.waitForStatus("parked", of: id)
        try await withOperator(belfry) { store in
            let status = try await store.status(byType: true)
            #expect(status.parked == 1)
            var criteria = ReplayCriteria()
            criteria.ids = [MessageID(rawValue: id)]
            let (planned, replayed) = (
                try await store.replay(criteria, dryRun: true), try await store.replay(criteria, dryRun: false)
            )
            #expect(planned.count == 1 && replayed.count == 1)
        }
        try await bob.ack(try await bob.nextMessage(), receipt: "ack")
        #expect(try await belfry.application.status(id) == "delivered")
        // What was in flight to a session that vanished goes to the next one.
        let lost = try await belfry.application.notify("bob")
        #expect(try await bob.nextMessage().messageID == lost)
        await bob.socket.abort()
        let again = try await belfry.connect("bob")
        try await again.subscribe("/user/queue/msg", receipt: "sub")
        try await again.ack(try await again.nextMessage(), receipt: "ack")
        try await again.disconnect()
    }

    private func broadcastAndReconcile(_ belfry: Installation) async throws {
        let carol = try await belfry.connect("carol")
        try await carol.subscribe("/topic/news", receipt: "sub")
        let first = try await belfry.application.broadcast("news")
        let message = try await carol.nextMessage()
        #expect(message.messageID == first)
        try await carol.ack(message, receipt: "ack")
        belfry.memoryBus?.disconnect()
        let missed = try await belfry.application.broadcast("news")
        try await carol.ack(try await carol.nextMessage(), receipt: "missed")
        belfry.memoryBus?.reconnect()
        try await belfry.application.waitForStatus("delivered", of: missed)
        try await carol.disconnect()
        let late = try await belfry.connect("carol")
        try await late.subscribe("/topic/news", ack: "auto", receipt: "sub", lastMessageID: String(first))
        #expect(try await late.nextMessage().messageID == missed)
        try await late.disconnect()
        let nobodys = try await belfry.application.broadcast("nobody")
        try await belfry.application.waitForStatus("expired", of: nobodys)
    }

    private func expireHoldBackAndCancel(_ belfry: Installation) async throws {
        let insert = "insert into belfry.message_log (receiver, type, data,"
        let expiring = try await belfry.application.value(
            "\(insert) expires_at) values ('dave', 'JSON_MSG', '1', now() + interval '100 ms') returning id")
        try await belfry.application.waitForStatus("expired", of: Int64(expiring ?? "") ?? 0)
        let held = try await belfry.application.value(
            "\(insert) not_before) values ('dave', 'JSON_MSG', '2', now() + interval '100 ms') returning id")
        let dave = try await belfry.connect("dave")
        try await dave.subscribe("/user/queue/msg", receipt: "sub")
        let message = try await dave.nextMessage()
        #expect(message.headers["message-id"].flatMap { $0 } == held)
        try await dave.ack(message, receipt: "ack")
        try await dave.disconnect()
        try await withOperator(belfry, role: LookAlikes.service) { store in
            let id = try await store.send(
                NewMessage(to: .user("dave"), type: "JSON_MSG", data: "3", idempotencyKey: "once"))
            let isCancelled = try await store.cancel(id)
            #expect(isCancelled)
            try await replayAsJob(id, belfry)
            _ = try await store.send(NewMessage(to: .topic("news"), type: "JSON_MSG", data: "4"))
        }
    }

    private func replayAsJob(_ id: MessageID, _ belfry: Installation) async throws {
        let connection = try await TestDatabase(url: belfry.databaseURL).connect(role: LookAlikes.service)
        let jobs = ReplayJobStore(executor: connection, isPatient: false)
        var criteria = ReplayCriteria()
        criteria.ids = [id]
        let matched = try await jobs.estimate(criteria, rate: 100).matched
        #expect(matched == 1)
        let job = try await jobs.create(criteria, rate: 100, actor: "root")
        try await eventually("the job is done") { try await jobs.job(job)?.state == .done }
        let other = try await jobs.create(criteria, rate: 1)
        for change in ReplayJobChange.allCases { _ = try? await jobs.change(other, change) }
        _ = try await jobs.jobs(limit: 10)
        _ = try await AuditStore(executor: connection).page(before: nil, limit: 10)
        await connection.close()
    }

    /// The node beats while it runs; one that was silent is removed.
    private func beatAndBury(_ belfry: Installation) async throws {
        try await belfry.application.run(
            """
            insert into belfry.node (id, host, pid, listen, heartbeat_at)
            values (gen_random_uuid(), 'gone', 1, 'l', now() - interval '1 hour')
            """)
        try await eventually("the dead node is removed", within: .seconds(40)) {
            try await belfry.application.value("select count(*) from belfry.node where host = 'gone'") == "0"
        }
        let beat = "select max(heartbeat_at) from belfry.node"
        let before = try await belfry.application.value(beat)
        try await eventually("the node beats", within: .seconds(40)) {
            try await belfry.application.value(beat) != before
        }
        try await withOperator(belfry) { store in
            let nodes = try await store.status().nodes
            #expect(nodes.count == 1)
        }
    }

    private func writeWithTheDefaultPath(_ traps: LookAlikes) async throws {
        let writer = try await TestDatabase(url: traps.url).connect(role: LookAlikes.landlord)
        try await writer.run("set search_path = \"$user\", public")
        for statement in [
            "insert into belfry.message_log (receiver, type, data) values ('eve', 'JSON_MSG', '1')",
            """
            insert into belfry.message_log (receiver, type, data, headers)
            values ('eve', 'JSON_MSG', '1', '{"a": "b"}')
            """,
            "insert into belfry.message_log (receiver, type, data) values ('', 'NO_MSG', '1')",
            "select belfry.notify('eve', 'JSON_MSG', '1', idempotency_key => 'k')",
            "select belfry.broadcast('news', 'JSON_MSG', '1')", "select belfry.message_id_of('k')",
            "select belfry.cancel(1)",
        ] { _ = try? await writer.execute(PostgresStatement("", statement)) }
        await writer.close()
    }

    private func withOperator(
        _ belfry: Installation, role: String = "test_operator", _ body: (OperatorStore) async throws -> Void
    ) async throws {
        let connection = try await TestDatabase(url: belfry.databaseURL).connect(role: role)
        try await body(OperatorStore(executor: connection))
        await connection.close()
    }
}
