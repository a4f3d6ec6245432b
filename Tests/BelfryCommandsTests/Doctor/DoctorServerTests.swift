import DatabaseSupport
import Foundation
import Outbox
import PrivateServers
import Testing

@testable import BelfryCommands

/// What the doctor says of PostgreSQL itself, with what brings it about.
struct DoctorServerTests {
    @Test func aServerThatIsAwayIsOneFinding() async {
        let report = await Examination.of("postgresql://nobody@127.0.0.1:1/app")
        #expect(report.has("postgres-away", .critical) && report.exitStatus == 2)
        #expect(report.has("redis-unconfigured", .note), "the rest is looked at all the same")
        #expect(await Examination.of(nil).first("postgres-away")?.sentence.contains("BELFRY_POSTGRES_URL") == true)
    }

    @Test func settingsThatLoseMessages() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "belfry-doctor-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        let server = try await PrivatePostgres.start(
            dataDirectory: folder.appending(path: "postgres"),
            settings: [
                "fsync": "off", "full_page_writes": "off", "autovacuum": "off", "track_counts": "off",
                "synchronous_commit": "off", "max_connections": "10",
            ])
        var report = await Examination.of(server.url)
        for code in ["fsync", "autovacuum", "track-counts"] { #expect(report.has("setting-\(code)", .critical)) }
        for code in ["full-page-writes", "synchronous-commit"] { #expect(report.has("setting-\(code)", .warning)) }
        #expect(report.has("schema-missing", .critical))
        #expect(report.has("connections", .ok))

        var others: [Application] = []
        for _ in 0..<6 { others.append(try await Application.connect(server.url)) }
        report = await Examination.of(server.url)
        #expect(report.has("connections-server", .critical))
        #expect(report.first("connections-server")?.sentence.contains("7 of the 7") == true)
        for other in others { await other.close() }
        await server.stop()
    }

    @Test func whatRolesAndDatabasesSetBeside() async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await Application.connect(database.url)
        let name = try #require(try await application.value("select current_database()"))
        try await application.run("alter database \(name) set session_replication_role = replica")
        var report = await Examination.of(database.operatorURL)
        let replica = try #require(report.first("setting-replica"))
        #expect(replica.severity == .critical)
        #expect(try await Examination.mend(replica, database))
        #expect(await !Examination.of(database.operatorURL).has("setting-replica"))

        try await application.run("alter database \(name) set default_transaction_read_only = on")
        report = await Examination.of(database.operatorURL)
        #expect(report.findings.count { $0.code == "setting-read-only" } == 2, "as it is, and where it comes from")
        await application.close()
    }

    @Test func connectionsOfADatabaseAndOfARole() async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await Application.connect(database.url)
        let name = try #require(try await application.value("select current_database()"))
        try await application.run(
            "create role narrow_\(name) login in role belfry_operator connection limit 1")
        let narrow = await Examination.of(database.url(as: "narrow_\(name)"))
        #expect(narrow.has("connections-role", .critical))
        #expect(narrow.has("listen-failed", .warning), "there is no second connection to listen with")
        #expect(narrow.has("look-failed", .warning))

        try await application.run("alter database \(name) connection limit 2")
        let report = await Examination.of(database.operatorURL)
        #expect(report.has("connections-database", .critical))
        await application.close()
    }

    @Test func whatOurRoleMayNotSeeIsSaid() async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await Application.connect(database.url)
        let name = try #require(try await application.value("select current_database()"))
        try await application.run("create role nobody_\(name) login")
        let nobody = await Examination.of(database.url(as: "nobody_\(name)"))
        let sentence = try #require(nobody.first("not-allowed")?.sentence)
        #expect(sentence.contains("the cursor") && sentence.contains("log and outbox"))

        let hidden = await Examination.of(database.operatorURL)
        let finding = try #require(hidden.first("stats-hidden"))
        #expect(finding.severity == .note && finding.command?.contains("pg_read_all_stats") == true)
        #expect(!hidden.has("not-allowed"), "belfry_operator is enough for the rest")
        #expect(await !Examination.of(database.url).has("stats-hidden"))
        await application.close()
    }

    @Test func aLookThatMeetsALockGivesUp() async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await Application.connect(database.url)
        try await application.run("begin; lock table belfry.relay_cursor in access exclusive mode")
        let start = ContinuousClock.now
        let report = await Examination.of(database.operatorURL)
        #expect(report.has("look-too-long", .warning))
        #expect(report.has("roles", .ok), "the others are looked at all the same")
        #expect(ContinuousClock.now - start < .seconds(20))
        try await application.run("rollback; drop table belfry.unqueued cascade")
        #expect(await Examination.of(database.operatorURL).has("look-failed", .warning))
        await application.close()
    }

    @Test func versionsAndStandbys() {
        var facts = Outbox.ServerFacts()
        (facts.versionNumber, facts.version, facts.seesOthers) = (140_011, "14.11", true)
        #expect(ServerJudge.findings(facts).map(\.code) == ["postgres-version"])
        #expect(ServerJudge.findings(facts).first?.severity == .critical)
        (facts.versionNumber, facts.isStandby) = (150_004, true)
        #expect(ServerJudge.findings(facts).map(\.code) == ["postgres-version", "postgres-standby"])
        #expect(ServerJudge.findings(facts).map(\.severity) == [.ok, .critical])
    }

    @Test func clocksThatDiffer() async throws {
        let database = try await TestServer.makeDatabase()
        let report = await Examination.of(database.operatorURL) { doctor in
            doctor.clock.now = { Date(timeIntervalSinceNow: -330) }
        }
        #expect(report.first("clocks-differ")?.sentence.contains("The clock of PostgreSQL is 5 min ahead") == true)
        #expect(await Examination.of(database.operatorURL).has("clocks", .ok))
    }
}
