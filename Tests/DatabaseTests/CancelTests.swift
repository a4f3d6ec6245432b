import Postgres
import TestBasics
import Testing

/// Taking a message back, in each state that it may be in.
@Suite struct CancelTests {
    @Test(arguments: [
        ("pending", true, "cancelled"), ("parked", true, "cancelled"), ("delivered", false, "delivered"),
        ("expired", false, "expired"), ("cancelled", false, "cancelled"),
    ])
    func whatIsNotDeliveredIsTakenBack(status: String, isCancelled: Bool, after: String) async throws {
        let database = try await SchemaDatabase()
        try await database.makeMessage(status: status)
        #expect(try await database.value("select belfry.cancel(1)") == (isCancelled ? "t" : "f"))
        #expect(try await database.statuses() == [after])
        #expect(try await database.queued().isEmpty)
        #expect(try await database.value("select count(*) from belfry.parked") == "0")
        if isCancelled {
            #expect(
                try await database.value("select status_reason from belfry.message_log") == "Cancelled by postgres.")
        }
    }

    /// One session has acknowledged it; nodes that were away have still to find it.
    @Test func aBroadcastThatWasDeliveredStaysForTheOthers() async throws {
        let database = try await SchemaDatabase()
        try await database.query("select belfry.broadcast('news', 'JSON_MSG', '1')")
        try await database.connection.run("update belfry.message_log set status = 'delivered'")
        #expect(try await database.value("select belfry.cancel(1)") == "f")
        #expect(try await database.queued() == ["1"])
    }

    @Test func whatDoesNotExistIsNotCancelled() async throws {
        let database = try await SchemaDatabase()
        #expect(try await database.value("select belfry.cancel(42)") == "f")
    }

    @Test func aCancelRolledBackLeavesTheMessage() async throws {
        let database = try await SchemaDatabase()
        try await database.makeMessage(status: "pending")
        try await database.connection.run("begin; select belfry.cancel(1); rollback")
        #expect(try await database.statuses() == ["pending"])
        #expect(try await database.queued() == ["1"])
    }

    @Test func anAcknowledgementUnderWayWins() async throws {
        let database = try await SchemaDatabase()
        try await database.makeMessage(status: "pending")
        let node = try await database.connect()
        try await node.run(
            """
            begin;
            delete from belfry.outbox where message_id = 1;
            update belfry.message_log set status = 'delivered', delivered_at = now() where id = 1
            """)
        async let cancelled = database.value("select belfry.cancel(1)")
        try await eventually("cancel waits for the acknowledgement") {
            try await node.query("select count(*) from pg_locks where not granted") != [["0"]]
        }
        try await node.run("commit")
        #expect(try await cancelled == "f")
        #expect(try await database.statuses() == ["delivered"])
    }
}

extension SchemaDatabase {
    /// Makes the one message 1 for alice, in the given status, with the rows that belong to it.
    func makeMessage(status: String) async throws {
        try await query("select belfry.notify('alice', 'JSON_MSG', '1')")
        guard status != "pending" else { return }
        try await connection.run(
            """
            delete from belfry.outbox;
            update belfry.message_log set status = '\(status)', status_reason = 'r',
                delivered_at = case '\(status)' when 'delivered' then now() end;
            insert into belfry.parked (message_id, reason, attempts) select 1, 'r', 5 where '\(status)' = 'parked'
            """)
    }
}
