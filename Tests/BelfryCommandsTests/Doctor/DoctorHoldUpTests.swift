import DatabaseSupport
import Foundation
import Outbox
import PrivateServers
import Testing

@testable import BelfryCommands

/// What the doctor says of open transactions, dead rows and bloat, with what brings it about.
struct DoctorHoldUpTests {
    @Test func aTransactionThatHoldsUpVacuum() async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await Application.connect(database.url)
        let pid = try #require(try await application.value("select pg_backend_pid()"))
        try await application.run("begin isolation level repeatable read; select 'a long report'")
        let report = await Examination.of(database.url) { $0.thresholds.transactionSeconds = 0 }
        let finding = try #require(report.findings.first { $0.code == "vacuum-held" && $0.sentence.contains(pid) })
        #expect(finding.severity == .warning)
        #expect(finding.sentence.contains("application \"application\"") && finding.sentence.contains("open for "))
        #expect(finding.sentence.contains("idle in transaction"))
        #expect(finding.sentence.contains("a long report"))
        #expect(finding.command?.contains("pg_terminate_backend(\(pid))") == true)
        #expect(await !Examination.of(database.url).has("vacuum-held"), "it has not been open for a minute")

        // An operator without pg_read_all_stats sees that there is one.
        let hidden = await Examination.of(database.operatorURL) { $0.thresholds.hiddenTransactionAge = -1 }
        let other = try #require(hidden.findings.first { $0.code == "vacuum-held" && $0.sentence.contains(pid) })
        #expect(other.sentence.contains("transactions ago") && other.sentence.contains("Its query is hidden."))
        await application.close()
    }

    @Test func aTransactionThatHoldsRowsOrTables() async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await Application.connect(database.url)
        try await application.run("begin")
        try await application.notify("alice")
        func report() async -> DoctorReport {
            await Examination.of(database.url) { $0.thresholds.transactionSeconds = 0 }
        }
        let rows = try #require(await report().first("rows-held"))
        #expect(rows.sentence.contains("belfry.message_log") && rows.sentence.contains("belfry.outbox"))
        try await application.run("lock table belfry.outbox in share mode")
        let tables = try #require(await report().first("table-locked"))
        #expect(tables.severity == .critical && tables.sentence.contains("belfry.outbox ShareLock"))
        #expect(try await Examination.mend(tables, database))
        #expect(await !report().has("table-locked"))
        await application.close()
    }

    @Test func whatIsNoSession() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "belfry-doctor-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        let server = try await PrivatePostgres.start(
            dataDirectory: folder.appending(path: "postgres"),
            settings: ["fsync": "off", "max_prepared_transactions": "2"])
        let database = try await TestServer.makeDatabase(on: server)
        let application = try await Application.connect(database.url)
        // One that has rung the doorbell can't be prepared.
        try await application.run("begin; create table public.half_done ()")
        try await application.run("prepare transaction 'it''s left'")
        try await application.run("select pg_create_physical_replication_slot('left', true)")
        func report() async -> DoctorReport {
            await Examination.of(database.url) {
                ($0.thresholds.transactionSeconds, $0.thresholds.slotBytes) = (0, 0)
            }
        }
        let before = await report()
        for code in ["prepared-transaction", "slot-unused"] {
            let finding = try #require(before.first(code))
            #expect(finding.severity == .warning)
            #expect(try await Examination.mend(finding, database))
        }
        let after = await report()
        #expect(!after.has("prepared-transaction") && !after.has("slot-unused"))
        await application.close()
        await server.stop()
    }

    @Test func deadRowsAndBloat() async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await Application.connect(database.url)
        #expect(await Examination.of(database.operatorURL).has("tables", .ok))
        try await application.run(
            "alter table belfry.outbox set (autovacuum_enabled = false, autovacuum_vacuum_threshold = 50)")
        // Others keep no snapshot here, so that a vacuum finds them all dead.
        try await application.run(
            """
            insert into belfry.outbox (message_id, xid, receiver)
            select i, pg_current_xact_id(), 'user ' || i from generate_series(1, 5000) i
            """)
        try await application.run("analyze belfry.outbox")
        // The last rows stay, so that vacuum can't cut the table off.
        try await application.run("delete from belfry.outbox where message_id between 11 and 4990")
        try await application.run("select pg_stat_force_next_flush()")
        func report() async -> DoctorReport {
            await Examination.of(database.operatorURL) {
                ($0.thresholds.deadRows, $0.thresholds.bloatBytes) = (1_000, 50_000)
            }
        }
        let dead = await report()
        #expect(dead.has("autovacuum-off", .critical))
        let finding = try #require(dead.first("dead-rows"))
        #expect(finding.sentence.contains("belfry.outbox has 4980 dead rows"), "\(finding.sentence)")
        #expect(try await Examination.mend(finding, database))

        let bloated = await report()
        #expect(!bloated.has("dead-rows"))
        #expect(bloated.has("table-bloat", .warning) && bloated.has("index-bloat", .warning))
        for finding in bloated.findings where finding.code.hasSuffix("-bloat") {
            #expect(try await Examination.mend(finding, database))
        }
        let after = await report()
        #expect(!after.has("table-bloat") && !after.has("index-bloat"))
        await application.close()
    }

    /// Whoever may prepare a transaction chooses its name, and somebody on call pastes the command.
    @Test func namesOfOthersRunNothing() {
        var facts = HoldUpFacts()
        facts.prepared = [.init(name: "$(id)`id`'; \"id", owner: "x", age: 100)]
        let command = HoldUpJudge.others(facts, DoctorThresholds()).first?.command
        let shown = #"psql "$BELFRY_POSTGRES_URL" -c 'rollback prepared '\''$(id)`id`'\'''\''; "id'\'''"#
        #expect(command == shown)
        #expect(Finding.identifier("a\"b") == "\"a\"\"b\"" && Finding.identifier("a_1") == "a_1")
    }

    @Test func judgesRelationsBySizeAndRows() {
        var table = RelationFacts()
        (table.name, table.bytes, table.expectedBytes) = ("outbox", 1e9, 1e6)
        #expect(TableJudge.findings([table], DoctorThresholds()).map(\.code) == ["table-bloat"])
        table.table = "outbox"
        #expect(TableJudge.findings([table], DoctorThresholds()).map(\.code) == ["index-bloat"])
        table.bytes = 1e6
        #expect(TableJudge.findings([table], DoctorThresholds()).map(\.code) == ["tables"])
        table.expectedBytes = nil
        table.bytes = 1e9
        #expect(TableJudge.findings([table], DoctorThresholds()).map(\.code) == ["tables"], "nobody knows its rows")
    }
}
