import DatabaseSupport
import Testing

@testable import BelfryCommands

/// What the doctor says of log and outbox that disagree, and how it repairs them.
struct DoctorQueueTests {
    private func with(_ body: (TestDatabase, Application) async throws -> Void) async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await Application.connect(database.url)
        try await body(database, application)
        await application.close()
    }

    /// Brings about one of each, and returns the message that lost its row of the outbox.
    private func disorder(_ application: Application) async throws -> (unqueued: Int64, noted: Int64, orphan: Int64) {
        let unqueued = try await application.notify("alice")
        try await application.run("delete from belfry.outbox where message_id = \(unqueued)")
        try await application.run("set session_replication_role = replica")
        let noted = try await application.notify("bob")
        try await application.run("reset session_replication_role")
        let orphan = try await application.notify("carol")
        try await application.run("delete from belfry.message_log where id = \(orphan)")
        return (unqueued, noted, orphan)
    }

    @Test func whatDisagreesIsNamed() async throws {
        try await with { database, application in
            let well = await Examination.of(database.operatorURL)
            #expect(!well.has("log-unqueued") && !well.has("outbox-orphans") && well.has("queue-looked-at", .ok))
            let (unqueued, noted, orphan) = try await disorder(application)
            let report = await Examination.of(database.operatorURL)
            let missing = try #require(report.first("log-unqueued"))
            #expect(missing.severity == .critical && missing.sentence.contains("2 messages are pending"))
            #expect(missing.sentence.contains("\(unqueued), \(noted)"))
            #expect(report.first("outbox-orphans")?.sentence.contains("\(orphan)") == true)

            // Of the newest message alone, and of what was noted.
            let bounded = await Examination.of(database.operatorURL) { $0.thresholds.logRows = 1 }
            #expect(bounded.first("queue-looked-at")?.sentence.contains("the newest 1 of some") == true)
            #expect(report.first("queue-looked-at")?.sentence.contains("in all 2 messages") == true)
            #expect(bounded.first("log-unqueued")?.sentence.contains("1 message is pending") == true)
        }
    }

    @Test func anOperatorQueuesAndTheServiceRemoves() async throws {
        try await with { database, application in
            let (unqueued, noted, orphan) = try await disorder(application)
            let cancelled = try await application.notify("dave")
            _ = try await application.value("select belfry.cancel($1)", [.int64(cancelled)])
            let byOperator = await Examination.of(database.operatorURL) { $0.isRepairing = true }
            #expect(byOperator.repairs == ["2 pending messages were put into the outbox."])
            #expect(!byOperator.has("log-unqueued") && byOperator.has("outbox-orphans"))
            #expect(byOperator.has("repair-not-allowed", .warning))
            let queued = try await application.column("select message_id from belfry.outbox order by 1")
            #expect(queued == ["\(unqueued)", "\(noted)", "\(orphan)"], "and nothing else")

            let byOwner = await Examination.of(database.url) { $0.isRepairing = true }
            #expect(byOwner.repairs == ["1 row of the outbox without a message was removed."])
            #expect(!byOwner.has("outbox-orphans") && !byOwner.has("repair-not-allowed"))
            #expect(try await application.outboxCount() == "2")
            #expect(try await application.status(cancelled) == "cancelled")

            let again = await Examination.of(database.url) { $0.isRepairing = true }
            #expect(again.repairs == ["There was nothing to repair."])
        }
    }

    /// What another transaction holds is left, and nobody waits.
    @Test func aRepairWaitsForNobody() async throws {
        try await with { database, application in
            let (_, _, orphan) = try await disorder(application)
            try await application.run("begin")
            try await application.run("select from belfry.outbox where message_id = \(orphan) for update")
            let report = await Examination.of(database.url) { $0.isRepairing = true }
            #expect(report.repairs == ["2 pending messages were put into the outbox."])
            #expect(report.has("outbox-orphans"))
            try await application.run("rollback")
        }
    }

    @Test func aRepairThatFailsSaysWhy() async throws {
        try await with { database, application in
            _ = try await disorder(application)
            try await application.run("revoke execute on all functions in schema belfry from belfry_operator")
            let report = await Examination.of(database.operatorURL) { $0.isRepairing = true }
            #expect(report.has("repair-failed", .critical) && report.repairs.isEmpty)
        }
    }

    @Test func parkedMessages() async throws {
        try await with { database, application in
            let id = try await application.notify("alice")
            try await application.run(
                """
                delete from belfry.outbox where message_id = \(id);
                insert into belfry.parked (message_id, reason) values (\(id), 'too large');
                update belfry.message_log set status = 'parked' where id = \(id)
                """)
            let report = await Examination.of(database.operatorURL)
            #expect(report.first("messages-parked")?.sentence.contains("1 message is parked") == true)
            #expect(!report.has("log-unqueued"))
        }
    }
}
