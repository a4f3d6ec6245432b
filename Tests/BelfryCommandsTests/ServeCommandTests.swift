import DatabaseSupport
import Foundation
import Postgres
import PrivateServers
import TestBasics
import Testing

@testable import BelfryCommands

/// `migrate`, `serve`, `relay` and `node` on a database of their own.
@Suite(.serialized)
struct ServeCommandTests {
    /// Runs `body` with a server of its own and ends it.
    private func withServers(
        _ body: (PrivatePostgres, PrivateRedis) async throws -> Void
    ) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("belfry-serve-\(UUID().uuidString)")
        try FileManager.default.createDirectory(
            at: folder, withIntermediateDirectories: true, attributes: [.posixPermissions: 0o755])
        defer { try? FileManager.default.removeItem(at: folder) }
        let postgres = try await PrivatePostgres.start(
            dataDirectory: folder.appendingPathComponent("postgres"), settings: ["fsync": "off"])
        let redis = try await PrivateRedis.start(
            dataDirectory: folder.appendingPathComponent("redis"), password: "hunter2")
        do {
            try await body(postgres, redis)
        } catch {
            await postgres.stop()
            await redis.stop()
            throw error
        }
        await postgres.stop()
        await redis.stop()
    }

    private func environment(_ postgres: PrivatePostgres, _ redis: PrivateRedis? = nil) -> [String: String] {
        var environment = [
            "BELFRY_POSTGRES_URL": postgres.url, "BELFRY_JWT_SECRET": String(repeating: "secret", count: 6),
            "BELFRY_LISTEN": "127.0.0.1:0", "BELFRY_RELAY_LISTEN": "127.0.0.1:0", "BELFRY_LOG_FORMAT": "json",
            // At its most talkative: even then no secret may show.
            "BELFRY_LOG_LEVEL": "trace",
        ]
        environment["BELFRY_REDIS_URL"] = redis?.url
        return environment
    }

    /// The port in the log's line.
    private func listeningPort(of program: BelfryProgram, part: String = "node") -> Int? {
        program.errorText.split(separator: "\n").lazy.compactMap { line -> Int? in
            let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            guard object?["message"] as? String == "The \(part) is listening." else { return nil }
            return ((object?["metadata"] as? [String: String])?["address"]).flatMap { ListenAddress(parsing: $0)?.port }
        }.first
    }

    @Test func theSchemaIsMigratedOnceByAnyNumberOfProcesses() async throws {
        try await withServers { postgres, _ in
            let settings = environment(postgres)
            let early = try await BelfryProgram.run(["serve"], environment: settings)
            #expect(early.status == 1 && early.errors.contains("belfry migrate"), "\(early.errors)")
            let dry = try await BelfryProgram.run(["migrate", "--dry-run"], environment: settings)
            #expect(dry.status == 0 && dry.output.contains("would apply\t000001_"), "\(dry.errors)")

            async let first = BelfryProgram.run(["migrate"], environment: settings)
            async let second = BelfryProgram.run(["migrate"], environment: settings)
            let output = try await first.output + second.output
            let lines = output.split(separator: "\n").filter { $0.hasPrefix("applied") }
            #expect(lines.count == Set(lines).count && !lines.isEmpty)

            let status = try await BelfryProgram.run(["migrate", "--status"], environment: settings)
            #expect(status.output.hasPrefix("applied\t1\t") && !status.output.contains("missing"))
        }
    }

    @Test func theSchemaIsAppliedByPsqlAndServed() async throws {
        try await withServers { postgres, _ in
            let settings = environment(postgres)
            let script = try await BelfryProgram.run(["migrate", "--sql"], environment: settings)
            let all = try await BelfryProgram.run(["migrate", "--sql", "--from", "1"])
            #expect(script.status == 0 && all.status == 0, "\(script.errors)\(all.errors)")
            #expect(script.output == all.output, "a fresh database lacks all of them")
            let file = try TemporaryFile("belfry.sql", script.output)
            for expected in [0, 3] as [Int32] {
                // The second time it fails, and changes nothing.
                let psql = try Process.run(
                    URL(fileURLWithPath: "/usr/bin/env"),
                    arguments: ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-1", "-f", file.path, postgres.url])
                psql.waitUntilExit()
                #expect(psql.terminationStatus == expected)
            }
            let migrate = try await BelfryProgram.run(["migrate"], environment: settings)
            #expect(migrate.output == "The schema is up to date.\n")
            let rest = try await BelfryProgram.run(["migrate", "--sql"], environment: settings)
            #expect(rest.output.hasPrefix("-- The schema is up to date"))
            let serve = try BelfryProgram(["serve"], environment: settings)
            let listens = await isEventually { listeningPort(of: serve) != nil }
            #expect(listens, "\(serve.errorText)")
            try await endsInGoodOrder(serve)
        }
    }

    @Test func relayAndNodeServeAndEnd() async throws {
        try await withServers { postgres, redis in
            let settings = environment(postgres, redis)
            #expect(try await BelfryProgram.run(["migrate"], environment: settings).status == 0)
            let relay = try BelfryProgram(["relay"], environment: settings)
            let node = try BelfryProgram(["node"], environment: settings)
            let listens = await isEventually { listeningPort(of: node) != nil }
            #expect(listens, "\(node.errorText)")
            let port = try #require(listeningPort(of: node))
            let allUp = #"{"status":"ready","checks":{"postgres":{"state":"up"},"redis":{"state":"up"}}}"#
            #expect(await answers("/health/ready", port, 200, allUp))
            #expect(await HTTPClient.get("/dev/info", port: port)?.status == 404)
            let leads = await isEventually {
                let status = try? await BelfryProgram.run(["status"], environment: settings)
                return status?.output.contains("leads (term ") == true && status?.output.contains("nodes     1") == true
            }
            #expect(leads, "\(relay.errorText)")
            let relayPort = try #require(listeningPort(of: relay, part: "relay"))
            #expect(await answers("/health/ready", relayPort, 200, #""listen":{"state":"up"}"#))
            #expect(await answers("/metrics", relayPort, 200, "belfry_relay_leader 1\n"))

            redis.kill()
            #expect(await answers("/health/ready", port, 200, #""redis":{"state":"degraded""#))
            postgres.kill()
            #expect(await answers("/health/ready", port, 503, #""postgres":{"state":"down""#))
            #expect(await answers("/health/live", port, 200, "live"))
            try await postgres.restart()
            try await redis.restart()
            #expect(await answers("/health/ready", port, 200, allUp))

            let database = try await Application.connect(postgres.url)
            let reported = "select count(*) from belfry.process where seen_at > now() - interval '12 seconds'"
            let areTold = await isEventually { (try? await database.value(reported)) == "2" }
            #expect(areTold)
            let told = try #require(
                try await database.value("select string_agg(settings::text, '') from belfry.process"))
            #expect(told.contains("redis.url") && told.contains("jwt.secret"))
            #expect(!told.contains("hunter2") && !told.contains("secretsecret"), "\(told)")
            for program in [relay, node] { try await endsInGoodOrder(program) }
            #expect(try await database.value("select count(*) from belfry.process") == "0")
            await database.close()
        }
    }

    /// Polls until the node's answer has the status and holds the text.
    private func answers(_ path: String, _ port: Int, _ status: Int, _ text: String) async -> Bool {
        await isEventually {
            guard let answer = await HTTPClient.get(path, port: port) else { return false }
            return answer.status == status && answer.body.contains(text)
        }
    }

    /// SIGTERM ends it with 0; its log is JSON lines, without a secret.
    private func endsInGoodOrder(_ program: BelfryProgram) async throws {
        program.terminate()
        let outcome = await program.outcome()
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(!outcome.errors.contains("hunter2") && !outcome.errors.contains("secretsecret"))
        for line in outcome.errors.split(separator: "\n") {
            #expect((try? JSONSerialization.jsonObject(with: Data(line.utf8))) != nil, "\(line)")
        }
    }

    @Test(arguments: [
        (["BELFRY_PROXY_PROTOCOL_STOMP": "true"], "set trustedProxies"),
        (["BELFRY_TLS_CERTIFICATES": "/nowhere/tls.pem"], "set tls.key, too"),
        (["BELFRY_TLS_KEY": "/nowhere/tls.key"], "set tls.certificates, too"),
        (["BELFRY_TLS_CERTIFICATES": "/nowhere/tls.pem", "BELFRY_TLS_KEY": "/nowhere/tls.key"], "/nowhere/tls.pem"),
        (["BELFRY_STOMP_LISTEN": "0.0.0.0:0", "BELFRY_AUTH": "dev"], "0.0.0.0:0 is not a loopback address"),
    ])
    func portsThatAreSetUpByHalfAreRefusedAtTheStart(_ settings: [String: String], sentence: String) async throws {
        let common = [
            "BELFRY_POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/x", "BELFRY_LISTEN": "127.0.0.1:0",
            "BELFRY_JWT_SECRET": String(repeating: "s", count: 40),
        ]
        let outcome = try await BelfryProgram.run(["serve"], environment: common.merging(settings) { $1 })
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains(sentence), "\(outcome.errors)")
    }

    /// Long before its graceful end would be over.
    @Test func aSecondSignalEndsItAtOnce() async throws {
        try await withServers { postgres, _ in
            var settings = environment(postgres)
            settings["BELFRY_LIMITS_DRAIN_PAUSE"] = "10m"
            #expect(try await BelfryProgram.run(["migrate"], environment: settings).status == 0)
            let program = try BelfryProgram(["serve"], environment: settings)
            let listens = await isEventually { listeningPort(of: program) != nil }
            #expect(listens, "\(program.errorText)")
            let port = try #require(listeningPort(of: program))
            program.terminate()
            #expect(await answers("/health/ready", port, 503, "This process is stopping."))
            program.terminate()
            let start = ContinuousClock.now
            let outcome = await program.outcome()
            #expect(ContinuousClock.now - start < .seconds(5))
            #expect(outcome.status == 1 && outcome.errors.contains("second signal"), "\(outcome.errors)")
        }
    }

    @Test func aSignalEndsAProcessThatWaitsForItsDatabase() async throws {
        let program = try BelfryProgram(
            ["serve", "--auth", "dev", "--postgres-url", "postgresql://belfry@127.0.0.1:1/app"])
        let waits = await isEventually { program.errorText.contains("The database is away; waiting for it.") }
        #expect(waits, "\(program.errorText)")
        program.terminate()
        #expect(await program.outcome().status == 0)
    }

    /// Before it looks for its database or for anything else.
    @Test(arguments: [["serve", "--auth", "dev"], ["node", "--auth", "dev"], ["dev", "--no-redis"]])
    func aNodeThatAnyoneCanReachWithoutTokensDoesNotStart(_ command: [String]) async throws {
        let outcome = try await BelfryProgram.run(
            command + ["--listen", "0.0.0.0:0"],
            environment: [
                "BELFRY_POSTGRES_URL": "postgresql://nobody@127.0.0.1:1/x", "BELFRY_REDIS_URL": "redis://127.0.0.1:1",
            ])
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains("With auth 'dev' anybody who can reach this node can be any user"))
        #expect(outcome.errors.contains("--dev-beyond-loopback"))
        #expect(!outcome.output.contains("Starting"))
    }

    @Test func aNodeThatAnyoneCanReachWithoutTokensWarns() async throws {
        try await withServers { postgres, _ in
            #expect(try await BelfryProgram.run(["migrate"], environment: environment(postgres)).status == 0)
            let node = try BelfryProgram(
                ["serve", "--auth", "dev", "--listen", "0.0.0.0:0", "--dev-beyond-loopback"],
                environment: environment(postgres))
            let listens = await isEventually { listeningPort(of: node) != nil }
            #expect(listens, "\(node.errorText)")
            #expect(node.errorText.contains("Anyone who reaches this node can be any user"))
            node.terminate()
            #expect(await node.outcome().status == 0)
        }
    }
}
