import DatabaseSupport
import Postgres
import TestBasics
import Testing

@testable import Outbox

/// What the doctor asks, on a log that is too large to be read as a whole.
struct DoctorStoreTests {
    /// Fills the log and the outbox past what fits a few pages, without telling the planner.
    private func withMessages(_ body: (TestDatabase, Application) async throws -> Void) async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await Application.connect(database.url)
        try await application.run(
            """
            insert into belfry.message_log (receiver, type, data)
            select 'user ' || i, 'JSON_MSG', '{}' from generate_series(1, 3000) i
            """)
        try await body(database, application)
        await application.close()
    }

    private func plan(_ statement: PostgresStatement, _ database: TestDatabase) async throws -> String {
        let connection = try await database.connect(role: "test_operator")
        try await connection.run(DoctorStatements.beginByIndex)
        let result = try await connection.execute(
            PostgresStatement("", "explain " + statement.sql.replacing("$1", with: "2000")))
        await connection.close()
        return (0..<result.rowCount).map { result.string($0, 0) }.joined(separator: "\n")
    }

    @Test func noLookReadsLogOrOutboxAsAWhole() async throws {
        try await withMessages { database, _ in
            for statement in [DoctorSchemaStatements.orphans, DoctorSchemaStatements.unqueued] {
                let plan = try await plan(statement, database)
                #expect(!plan.contains("Seq Scan on message_log") && !plan.contains("Seq Scan on outbox"), "\(plan)")
                #expect(plan.contains("message_log_pkey") && plan.contains("outbox_pkey"), "\(plan)")
            }
            let cursor = try await plan(DoctorSchemaStatements.cursor, database)
            #expect(cursor.contains("outbox_xid") && !cursor.contains("Seq Scan on outbox"), "\(cursor)")
        }
    }

    @Test func itLooksAtAsManyAsItIsToldAndNamesAThousand() async throws {
        try await withMessages { database, application in
            try await application.run("delete from belfry.outbox where message_id <= 1500")
            try await application.run("delete from belfry.message_log where id > 1500")
            let connection = try await database.connect(role: "test_operator")
            let store = DoctorStore(connection: connection)
            let some = try await store.queue(outboxRows: 10, logRows: 20)
            #expect(some.orphans == Array(1501...1510) && some.outboxRowsLookedAt == 10)
            #expect(some.unqueued == Array(1481...1500) && some.logRowsLookedAt == 20)
            let all = try await store.queue(outboxRows: 10_000, logRows: 10_000)
            #expect(all.orphans.count == QueueFacts.idsMax && all.unqueued.count == QueueFacts.idsMax)
            await connection.close()
        }
    }

    /// What a list names and nobody finds would never be missed.
    @Test func eachRightIsOfSomethingThatIsThere() async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await Application.connect(database.url)
        let relations = try await application.column(
            "select relname from pg_class where relnamespace = 'belfry'::regnamespace")
        let functions = try await application.column(
            "select proname from pg_proc where pronamespace = 'belfry'::regnamespace")
        #expect(Set(SchemaRights.relations.map(\.name)).isSubset(of: relations))
        #expect(Set(SchemaRights.functions.map(\.name)).isSubset(of: functions))
        await application.close()
    }

    /// A repair judges by what is there now, not by what was seen before.
    @Test func aRepairTouchesNothingThatIsInOrder() async throws {
        try await withMessages { database, application in
            try await application.run("select belfry.cancel(1)")
            try await application.run("update belfry.message_log set status = 'delivered' where id = 2")
            try await application.run("delete from belfry.outbox where message_id in (2, 3)")
            let connection = try await database.connect()
            let store = DoctorStore(connection: connection)
            let queued = try await store.queueAgain([1, 2, 3])
            #expect(queued.filter { !$0.action.hasPrefix("skip") }.map(\.id.rawValue) == [3])
            #expect(try await store.removeOrphans([3, 4, 5]) == [], "they have messages")
            #expect(try await application.outboxCount() == "2998")
            #expect(try await application.status(1) == "cancelled")
            await connection.close()
        }
    }
}
