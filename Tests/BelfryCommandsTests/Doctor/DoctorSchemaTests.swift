import DatabaseSupport
import Outbox
import PrivateServers
import Testing

@testable import BelfryCommands

/// What the doctor says of the schema and the rights on it, with what brings it about.
struct DoctorSchemaTests {
    /// A change by hand, what is found of it, and whether the finding's command mends it as it stands.
    struct Change: Sendable, CustomStringConvertible {
        let sql: String
        let code: String
        let severity: Finding.Severity
        var isMended = true
        var description: String { sql }
    }

    static let changes: [Change] = [
        Change(
            sql: "alter table belfry.message_log disable trigger queue_messages", code: "trigger-off",
            severity: .critical),
        Change(
            sql: "alter table belfry.message_log disable trigger note_unqueued", code: "trigger-off", severity: .warning
        ),
        Change(
            sql: "drop trigger queue_messages on belfry.message_log", code: "trigger-off", severity: .critical,
            isMended: false),
        Change(
            sql: "alter table belfry.message_log alter column id set cache 50", code: "sequence-cache",
            severity: .critical),
        Change(sql: "alter sequence belfry.doorbell set logged", code: "doorbell-logged", severity: .warning),
        Change(sql: "drop sequence belfry.doorbell", code: "doorbell-missing", severity: .critical),
        Change(sql: "drop index belfry.outbox_receiver", code: "index-missing", severity: .critical),
        Change(sql: "drop index belfry.session_node", code: "index-missing", severity: .warning),
        Change(sql: "drop index belfry.message_log_idempotency_key", code: "index-missing", severity: .critical),
        Change(
            sql: "drop index belfry.message_log_history", code: "index-missing", severity: .warning, isMended: false),
        Change(
            sql: "update pg_index set indisvalid = false where indexrelid = 'belfry.outbox_topic'::regclass",
            code: "index-invalid", severity: .warning),
        Change(
            sql: "revoke delete on belfry.outbox from belfry_service", code: "right-missing", severity: .critical),
        Change(
            sql: "revoke usage on schema belfry from belfry_writer", code: "right-missing", severity: .critical),
        Change(
            sql: "revoke execute on function belfry.ring() from belfry_service", code: "right-missing",
            severity: .critical),
        Change(
            sql: "revoke usage on sequence belfry.doorbell from belfry_service", code: "right-missing",
            severity: .critical),
        Change(sql: "grant select on belfry.message_log to public", code: "right-excess", severity: .warning),
        Change(
            sql: "grant execute on function belfry.ring() to public", code: "right-excess", severity: .warning),
        Change(sql: "grant delete on belfry.outbox to belfry_writer", code: "right-excess", severity: .warning),
        Change(sql: "alter schema belfry owner to postgres", code: "owner-superuser", severity: .note, isMended: false),
        Change(
            sql: "delete from belfry.migration where version > 3", code: "schema-outdated", severity: .critical,
            isMended: false),
        Change(
            sql: "insert into belfry.migration values (999, 'later')", code: "schema-newer", severity: .critical,
            isMended: false),
        Change(
            sql: "update belfry.migration set name = 'other' where version = 2", code: "schema-foreign",
            severity: .critical, isMended: false),
    ]

    @Test(arguments: changes)
    func aChangeByHandIsFoundAndMended(_ change: Change) async throws {
        let database = try await TestServer.makeDatabase()
        let before = await Examination.of(database.operatorURL)
        #expect(!before.has(change.code) && before.has("indexes", .ok) && before.has("schema", .ok))
        let application = try await Application.connect(database.url)
        try await application.run(change.sql)
        await application.close()

        let finding = try #require(await Examination.of(database.operatorURL).first(change.code))
        #expect(finding.severity == change.severity, "\(finding)")
        #expect(finding.command != nil)
        guard change.isMended else { return }
        #expect(try await Examination.mend(finding, database), "\(finding.command ?? "")")
        #expect(await !Examination.of(database.operatorURL).has(change.code), "its command mends it")
    }

    @Test func aRoleThatIsMissing() async throws {
        let server = try await TestServer.startOwn()
        let database = try await TestServer.makeDatabase(on: server)
        let application = try await Application.connect(database.url)
        try await application.run("alter role belfry_writer rename to somebody")
        let report = await Examination.of(database.url)
        #expect(report.first("role-missing")?.sentence.contains("belfry_writer") == true)
        await application.close()
        await server.stop()
    }

    @Test func whoIsWhoIsSaid() async throws {
        let database = try await TestServer.makeDatabase()
        let roles = try #require(await Examination.of(database.operatorURL).first("roles"))
        #expect(roles.sentence.contains("test_service") && roles.sentence.contains("belfry_operator: "))
        #expect(roles.sentence.contains("the owner is \(TestServer.owner)"))
    }

    @Test func theListOfIndexesIsThatOfTheMigrations() async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await Application.connect(database.url)
        let names = try await application.column("select indexname from pg_indexes where schemaname = 'belfry'")
        #expect(Set(names) == SchemaIndexes.names.union([SchemaIndexes.history]))
        let sql =
            "select indexdef from pg_indexes where schemaname = 'belfry' and indexname = any ($1) order by indexname"
        let others = SchemaIndexes.others.keys.sorted()
        let before = try await application.column(sql, [.textArray(others)])
        for name in others {
            try await application.run("drop index belfry.\(name)")
            try await application.run(try #require(SchemaIndexes.statement(making: name)))
        }
        let after = try await application.column(sql, [.textArray(others)])
        #expect(before == after, "what is made anew is what was there")
        await application.close()
    }
}
