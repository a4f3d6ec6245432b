import DatabaseSupport
import Outbox
import PoolerSupport
import Testing

@testable import BelfryCommands

/// What the doctor says of relay and nodes, with what brings it about.
struct DoctorRelayTests {
    private func with(_ body: (TestDatabase, Application) async throws -> Void) async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await Application.connect(database.url)
        try await body(database, application)
        await application.close()
    }

    private static let leads = """
        update belfry.relay_cursor set relay = 'relay-1/17/x', term = term + 1, leader_seen_at = clock_timestamp(),
            backend_pid = pg_backend_pid(), backend_start = clock_timestamp()
        """

    @Test func whoLeads() async throws {
        try await with { database, application in
            #expect(
                await Examination.of(database.operatorURL).first("leader-missing")?.sentence.contains("yet") == true)
            try await application.run(Self.leads)
            var report = await Examination.of(database.operatorURL)
            #expect(report.first("leader")?.sentence.contains("relay-1/17/x leads in term 1") == true)
            #expect(!report.has("leader-by-lease") && report.has("cursor", .ok))

            try await application.run("update belfry.relay_cursor set backend_pid = null")
            #expect(await Examination.of(database.operatorURL).has("leader-by-lease", .warning))

            try await application.run(
                "update belfry.relay_cursor set leader_seen_at = clock_timestamp() - interval '1 h'")
            report = await Examination.of(database.operatorURL)
            #expect(report.first("leader-missing")?.sentence.contains("last seen 60 min ago") == true)

            try await application.run("update belfry.relay_cursor set leader_seen_at = null")
            report = await Examination.of(database.operatorURL)
            #expect(report.first("leader-missing")?.sentence.contains("stopped in order") == true)

            try await application.run("delete from belfry.relay_cursor")
            let missing = try #require(await Examination.of(database.operatorURL).first("cursor-missing"))
            #expect(try await Examination.mend(missing, database))
            #expect(await !Examination.of(database.operatorURL).has("cursor-missing"))
        }
    }

    @Test func aCursorThatIsBehind() async throws {
        try await with { database, application in
            let id = try await application.notify("alice")
            try await application.run(
                "update belfry.message_log set created_at = now() - interval '1 min' where id = \(id)")
            #expect(await Examination.of(database.operatorURL).has("cursor-behind", .critical), "nobody leads")
            try await application.run(Self.leads)
            let finding = try #require(await Examination.of(database.operatorURL).first("cursor-behind"))
            #expect(finding.severity == .warning && finding.sentence.contains("1 message waits"))
        }
    }

    @Test func aCursorOfAnotherCluster() async throws {
        try await with { database, application in
            try await application.run("update belfry.relay_cursor set system_identifier = 1")
            #expect(await Examination.of(database.operatorURL).has("cursor-foreign", .note))
        }
    }

    @Test func termsThatClimb() async throws {
        try await with { database, application in
            try await application.run(Self.leads)
            let url = database.operatorURL
            let leaders = Task {
                while !Task.isCancelled {
                    try await application.run(Self.leads)
                    try await Task.sleep(for: .milliseconds(5))
                }
            }
            let report = await Examination.of(url) { $0.watch = .seconds(1) }
            leaders.cancel()
            _ = await leaders.result
            #expect(report.first("terms-climb")?.severity == .critical)
            #expect(await !Examination.of(url) { $0.watch = .seconds(1) }.has("terms-climb"))
        }
        for (last, severity) in [(8, Finding.Severity.warning), (9, .critical)] {
            let finding = RelayJudge.terms([7, last], within: .seconds(3)).first
            #expect(finding?.severity == severity)
            #expect(finding?.sentence.contains("from 7 to \(last) within 3 s") == true)
        }
    }

    @Test func nodesThatAreSilentOrMissing() async throws {
        try await with { database, application in
            #expect(await Examination.of(database.operatorURL).has("nodes-missing", .warning))
            try await application.run(
                """
                insert into belfry.node (id, host, pid, listen, heartbeat_at)
                values (gen_random_uuid(), 'node-1', 1, '0.0.0.0:8080', clock_timestamp())
                """)
            let report = await Examination.of(database.operatorURL)
            #expect(report.has("nodes", .ok) && report.has("nodes-not-asked", .note))
            try await application.run("update belfry.node set heartbeat_at = clock_timestamp() - interval '30 s'")
            let silent = try #require(await Examination.of(database.operatorURL).first("node-silent"))
            #expect(silent.sentence.contains("0.0.0.0:8080 on node-1") && silent.sentence.contains("30 s ago"))
        }
    }

    @Test func listeningDirectly() async throws {
        try await with { database, _ in
            #expect(await Examination.of(database.operatorURL).has("listen", .ok))
        }
    }

    @Test(.enabled(if: PrivatePooler.program != nil, "pgbouncer is installed"))
    func listeningThroughAPooler() async throws {
        try await with { database, application in
            let pooler = try PrivatePooler(database: database.url, role: "postgres")
            defer { pooler.kill() }
            var report = await Examination.of(pooler.url)
            for _ in 0..<50 where report.has("postgres-away") {
                try await Task.sleep(for: .milliseconds(100))
                report = await Examination.of(pooler.url)
            }
            let finding = try #require(report.first("listen-lost"))
            #expect(finding.sentence.contains("postgres.url leads through a pooler"))
            #expect(report.has("roles", .ok), "everything else is seen through it")

            let direct = await Examination.of(pooler.url, settings: { $0.postgresListenURL = database.url })
            #expect(direct.has("listen", .ok))
        }
    }
}
