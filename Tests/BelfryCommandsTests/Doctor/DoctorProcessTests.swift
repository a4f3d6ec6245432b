import DatabaseSupport
import Foundation
import Outbox
import Postgres
import PrivateServers
import TestBasics
import Testing

@testable import BelfryCommands

/// What the doctor says of processes, their machine and their files, with what brings it about.
@Suite(.serialized)
struct DoctorProcessTests {
    private func session(_ database: TestDatabase, _ name: String) async throws -> PostgresConnection {
        try await PostgresConnection.connect(
            PostgresConfiguration(url: database.url(as: "test_service"), applicationName: name))
    }

    @Test func processesOfDifferentVersions() async throws {
        let database = try await TestServer.makeDatabase()
        let node = try await session(database, "belfry node 9.9.9")
        #expect(await Examination.of(database.operatorURL).has("version-other", .note))
        let relay = try await session(database, "belfry relay \(BelfryVersion.current)")
        let old = try await session(database, "belfry serve")
        let finding = try #require(await Examination.of(database.operatorURL).first("versions-differ"))
        #expect(finding.severity == .warning && finding.sentence.contains("9.9.9 (belfry node)"))
        #expect(finding.sentence.contains("unknown (older than this program) (belfry serve)"))
        await node.close()
        await old.close()
        let same = try await eventually("the others are gone") {
            let report = await Examination.of(database.operatorURL)
            return report.has("versions-differ") ? nil : report
        }
        #expect(same.has("versions", .ok) && !same.has("service-superuser"))
        await relay.close()
        let admin = try await PostgresConnection.connect(
            PostgresConfiguration(url: database.url, applicationName: "belfry node \(BelfryVersion.current)"))
        #expect(await Examination.of(database.operatorURL).has("service-superuser", .warning))
        await admin.close()
    }

    /// A certificate for 10 days, and its key.
    private func makeCertificate(_ folder: URL, _ name: String) throws -> (certificate: String, key: String) {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let (certificate, key) = (folder.path + "/\(name).pem", folder.path + "/\(name).key")
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/openssl")
        process.arguments = [
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-days", "10", "-subj",
            "/CN=\(name)", "-nodes", "-keyout", key, "-out", certificate,
        ]
        process.standardError = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        return (certificate, key)
    }

    @Test func certificatesAndKeys() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "belfry-doctor-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let (own, other) = (try makeCertificate(folder, "own"), try makeCertificate(folder, "other"))
        func report(
            in days: Double = 0, _ settings: (inout BelfryConfiguration) -> Void
        ) async -> DoctorReport {
            await Examination.of(nil, settings: settings) { doctor in
                doctor.clock.now = { Date(timeIntervalSinceNow: days * 86_400) }
            }
        }
        func served(_ configuration: inout BelfryConfiguration) {
            (configuration.tlsCertificates, configuration.tlsKey) = (own.certificate, own.key)
        }
        #expect(await report(in: -10, served).has("certificate", .ok))
        #expect(await report(served).has("certificate-expires", .warning))
        #expect(await report(in: 11, served).has("certificate-expired", .critical))
        let mixed = await report {
            ($0.tlsCertificates, $0.tlsKey) = (own.certificate, other.key)
        }
        #expect(mixed.first("certificate-unusable")?.sentence.contains("is not that of the certificate") == true)

        let redis = await report { $0.redisURL = "rediss://127.0.0.1:1?ca=\(own.certificate)" }
        #expect(redis.first("certificate-expires")?.sentence.contains("authority for Redis") == true)

        #expect(await report { $0.jwtKeys = own.certificate }.has("certificate-expires", .warning))
        #expect(await report { $0.jwtKeys = own.key }.has("jwt-keys-unusable", .critical))
        #expect(await report { $0.jwtKeys = folder.path + "/absent" }.has("jwt-keys-unusable", .critical))
    }

    /// Runs `body` with `belfry serve` under a limit of file descriptors, and its port.
    private func withServing(
        environment: [String: String] = [:], _ body: (TestDatabase, BelfryProgram, Int) async throws -> Void
    ) async throws {
        let database = try await TestServer.makeDatabase()
        let settings = [
            "BELFRY_POSTGRES_URL": database.url(as: "test_service"), "BELFRY_LISTEN": "127.0.0.1:0",
            "BELFRY_AUTH": "dev",
        ].merging(environment) { $1 }
        let program = try BelfryProgram(["serve"], environment: settings)
        do {
            let port = try await eventually("the node listens") {
                program.errorText.firstMatch(of: /address=127\.0\.0\.1:(\d+).*The node is listening/)
                    .flatMap { Int($0.1) }
            }
            try await body(database, program, port)
        } catch {
            program.terminate()
            _ = await program.outcome()
            throw error
        }
        program.terminate()
        _ = await program.outcome()
    }

    @Test func aHealthyInstallationHasNothingToDo() async throws {
        try await withServing { database, program, port in
            let report = try await eventually("nothing is wrong but the tests' fsync") {
                let report = await Examination.of(database.operatorURL) { $0.nodes = ["http://127.0.0.1:\(port)/"] }
                let codes = Set(report.findings.filter { $0.severity > .note }.map(\.code))
                return codes == ["setting-fsync"] && report.has("processes", .ok) ? report : nil
            }
            for code in [
                "leader", "cursor", "nodes", "processes", "node-ready", "versions", "listen", "schema", "indexes",
                "tables",
            ] {
                #expect(report.has(code, .ok), "\(code)")
            }
            #expect(!report.has("nodes-not-asked"))
        }
    }

    @Test func fileDescriptorsOfANode() async throws {
        try await withServing { database, program, _ in
            func report(_ sessionsMax: Int, _ share: Double) async -> DoctorReport {
                await Examination.of(database.operatorURL, settings: { $0.limits.sessionsMax = sessionsMax }) {
                    $0.thresholds.crowdedShare = share
                }
            }
            try await eventually("the node says how it is") { await report(10, 0.8).has("processes", .ok) }
            #expect(await !report(10, 0.8).has("descriptors-few"))
            #expect(await report(.max / 2, 0.8).has("descriptors-few", .note))
            #expect(await report(10, 0).has("descriptors-short", .critical))
        }
    }

    /// Wherever a process runs, by what it says of itself.
    @Test func whatOtherMachinesSay() async throws {
        let database = try await TestServer.makeDatabase()
        let application = try await Application.connect(database.url)
        try await application.run(
            """
            insert into belfry.process (id, kind, host, pid, version, started_at, clock_ahead, open_files, files_max,
                certificate_ends_at, health)
            values (gen_random_uuid(), 'node', 'node-7', 17, '1', now(), 1.5, 20, 100000, now() + interval '90 days',
                '{"status":"ready","checks":{"postgres":{"state":"up"}}}')
            """)
        func report() async -> DoctorReport { await Examination.of(database.operatorURL) }
        let well = await report()
        #expect(well.has("processes", .ok) && !well.has("clocks-differ") && !well.has("descriptors-few"))
        let faults = [
            ("clock_ahead = -330", "clocks-differ", "on node-7 (process 17) is 5 min behind that of PostgreSQL"),
            ("open_files = 90000", "descriptors-short", "node-7 (process 17) uses 90000 of its 100000"),
            ("open_files = 20, files_max = 1024", "descriptors-few", "node-7 (process 17) may have 1024"),
            ("certificate_ends_at = now() + interval '3 days'", "certificate-expires", "node-7 (process 17) serves"),
            ("certificate_ends_at = now() - interval '3 days'", "certificate-expired", "node-7 (process 17) serves"),
            (
                #"health = '{"status":"degraded","checks":{"redis":{"state":"degraded","reason":"Gone."}}}'"#,
                "node-redis-away", "node-7 (process 17) does not reach Redis: Gone."
            ),
            ("seen_at = now() - interval '5 min'", "process-gone", "node-7 (process 17) was heard of 5 min ago"),
        ]
        for (fault, code, part) in faults {
            try await application.run("begin; update belfry.process set \(fault); commit")
            #expect(await report().first(code)?.sentence.contains(part) == true, "\(code)")
        }
        #expect(await !report().has("clocks-differ"), "of what is gone nothing more is told")
        #expect(await report().has("process-gone", .warning))
        try await application.run(
            """
            insert into belfry.process (id, kind, host, pid, version, started_at)
            values (gen_random_uuid(), 'node', 'node-7', 18, '1', now() - interval '4 min')
            """)
        let replaced = await report()
        #expect(replaced.has("process-gone", .note) && replaced.has("processes", .ok))
        #expect(replaced.first("process-gone")?.sentence.hasSuffix("Process 18 runs in its place.") == true)
        await application.close()
    }

    @Test func aNodeThatDoesNotReachRedis() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "belfry-doctor-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        let redis = try await PrivateRedis.start(dataDirectory: folder)
        try await withServing(environment: ["BELFRY_REDIS_URL": redis.url]) { database, program, port in
            func report() async -> DoctorReport {
                await Examination.of(database.operatorURL, settings: { $0.redisURL = redis.url }) {
                    $0.nodes = ["http://127.0.0.1:\(port)"]
                }
            }
            let well = try await eventually("both are connected") {
                let report = await report()
                return report.has("redis-reached") && report.has("node-ready") ? report : nil
            }
            #expect(well.first("redis-reached")?.sentence.contains("from 127.0.0.1") == true)
            await redis.stop()
            try await eventually("the node says so") {
                let report = await report()
                return report.has("node-redis-away", .warning) && report.has("redis-away", .warning)
            }
            // Nor does it have to be asked.
            try await eventually("it says so by itself") {
                let report = await Examination.of(database.operatorURL)
                return report.first("node-redis-away")?.sentence.hasPrefix("belfry serve on ") == true
            }
        }
        await redis.stop()
    }

    @Test func nodesThatAreAwayOrStopping() async throws {
        let away = await Examination.of(nil) { $0.nodes = ["http://127.0.0.1:1"] }
        #expect(away.has("node-unreachable", .warning))
        try await withServing(environment: ["BELFRY_LIMITS_DRAIN_PAUSE": "10m"]) { database, program, port in
            program.terminate()
            try await eventually("it is not ready") {
                await Examination.of(database.operatorURL) { $0.nodes = ["http://127.0.0.1:\(port)"] }
                    .has("node-not-ready", .critical)
            }
        }
    }

    @Test func aNodeThatPollsIsDegraded() {
        let answer = #"{"status":"degraded","checks":{"listen":{"state":"degraded","reason":"The relay polls."}}}"#
        #expect(NodeLook.judge(Data(answer.utf8), "http://node", mend: "")?.map(\.code) == ["node-degraded"])
        #expect(NodeLook.judge(Data("{}".utf8), "http://node", mend: "") == nil)
    }
}
