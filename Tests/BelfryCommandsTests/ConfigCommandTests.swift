import Foundation
import Testing

@testable import BelfryCommands

/// What `belfry config check` says of settings.
struct ConfigCommandTests {
    private static let secret = String(repeating: "hunter2.", count: 8)
    /// What a careful installation behind a proxy sets.
    private static let careful = [
        "BELFRY_POSTGRES_URL": "postgresql://belfry:hunter2@db.example/app?sslmode=verify-full",
        "BELFRY_REDIS_URL": "rediss://:hunter2@cache.example", "BELFRY_JWT_SECRET": secret,
        "BELFRY_JWT_ISSUER": "https://login.example", "BELFRY_JWT_AUDIENCE": "belfry",
        "BELFRY_JWT_REQUIRE_EXPIRY": "true", "BELFRY_RELAY_LISTEN": "127.0.0.1:8081",
    ]

    private func check(
        _ arguments: [String] = [], _ environment: [String: String] = careful
    ) async throws -> BelfryProgram.Outcome {
        try await BelfryProgram.run(["config", "check"] + arguments, environment: environment)
    }

    @Test(arguments: ["serve", "relay", "node"])
    func whatIsWellIsSaidSo(process: String) async throws {
        let outcome = try await check([process, "--strict"])
        #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
        #expect(outcome.output.hasSuffix("belfry \(process) would start, and nothing looks risky.\n"))
        #expect(outcome.errors.isEmpty)
    }

    @Test func everySettingSaysWhereItComesFromAndNoSecretIsShown() async throws {
        let file = try TemporaryFile("s.json", #"{"threads": 3, "limits": {"nacksMax": 7}, "log": {"level": "debug"}}"#)
        let outcome = try await check(["--config", file.path, "--set", "limits.nacksMax=8"])
        let lines = outcome.output.split(separator: "\n").map {
            $0.split(separator: " ", omittingEmptySubsequences: true)
        }
        func line(_ key: String) -> String? { lines.first { $0.first == key[...] }?.dropFirst().joined(separator: " ") }
        #expect(line("threads") == "3 from the file '\(file.path)'")
        #expect(line("limits.nacksMax") == "8 from the command line")
        #expect(line("jwt.issuer") == "https://login.example from the environment")
        #expect(line("jwt.secret") == "(a secret) from the environment")
        #expect(line("redis.url") == "rediss://:***@cache.example:6379/0 from the environment")
        #expect(line("postgres.url") == "postgresql://belfry@db.example:5432/app from the environment")
        #expect(line("listen") == nil, "what has its default is not listed")
        #expect(!outcome.output.contains("hunter2"))
    }

    @Test func whatWouldListenAndEndIsTold() async throws {
        let node = try await check(["node", "--listen", "0.0.0.0:8080", "--stomp", "127.0.0.1:61613"])
        #expect(node.output.contains("0.0.0.0:8080 (other machines can reach it, no TLS): WebSocket at /ws"))
        #expect(node.output.contains("127.0.0.1:61613 (this machine only, no TLS): STOMP over TCP"))
        #expect(node.output.contains("10 connections"))
        // Without a pause, as all of these tests.
        #expect(node.output.contains("25 s after SIGTERM"))
        let relay = try await check(["relay"])
        #expect(relay.output.contains("127.0.0.1:8081 (this machine only, no TLS): /health, /metrics"))
        #expect(relay.output.contains("8 connections"))
        #expect(relay.output.contains("15 s after SIGTERM"))
        #expect(!relay.output.contains("clients"))
    }

    @Test func everythingThatWouldStopTheStartIsToldAtOnce() async throws {
        let outcome = try await check(["node", "--set", "tls.key=/nowhere/key"], [:])
        #expect(outcome.status == 1)
        #expect(outcome.errors.isEmpty)
        for sentence in [
            "set postgres.url (BELFRY_POSTGRES_URL)", "set redis.url (BELFRY_REDIS_URL)",
            "set jwt.secret (BELFRY_JWT_SECRET)", "set tls.certificates", "belfry node would not start.",
        ] { #expect(outcome.output.contains(sentence), "\(outcome.output)") }
    }

    @Test func everyWrongValueIsToldAtOnce() async throws {
        let outcome = try await check(
            ["--set", "threads=many"], Self.careful.merging(["BELFRY_LISTEN": "8080"]) { $1 })
        #expect(outcome.status == 1)
        #expect(outcome.output.contains("The setting threads has the value 'many' in the command line"))
        #expect(outcome.output.contains("The setting BELFRY_LISTEN has the value '8080' in the environment"))
    }

    @Test func keysThatCannotBeReadAreMissingAndAnIssuerIsNotAsked() async throws {
        var environment = Self.careful
        environment["BELFRY_JWT_SECRET"] = nil
        environment["BELFRY_JWT_KEYS"] = "/nowhere/keys.json"
        let keys = try await check([], environment)
        #expect(keys.status == 1)
        #expect(keys.output.contains("/nowhere/keys.json"))
        environment["BELFRY_JWT_KEYS"] = nil
        environment["BELFRY_JWT_KEYS_URL"] = "https://127.0.0.1:1/jwks"
        let issuer = try await check(["--strict"], environment)
        #expect(issuer.status == 0, "\(issuer.output)")
        environment["BELFRY_PASSWORDS"] = "/nowhere/logins"
        let logins = try await check([], environment)
        #expect(logins.output.contains("The file '/nowhere/logins' (passwords) can't be read"))
    }

    @Test(arguments: [
        (["BELFRY_LISTEN": "0.0.0.0:8080"], "Other machines can reach 0.0.0.0:8080 (listen) without TLS"),
        (["BELFRY_STOMP_LISTEN": "0.0.0.0:61613"], "Other machines can reach 0.0.0.0:61613 (stomp.listen) without TLS"),
        (["BELFRY_AUTH": "dev"], "Whoever reaches the node can be any user"),
        (["BELFRY_JWT_REQUIRE_EXPIRY": "false"], "set jwt.requireExpiry to true"),
        (["BELFRY_JWT_AUDIENCE": ""], "set jwt.audience"), (["BELFRY_JWT_ISSUER": ""], "set jwt.issuer"),
        (["BELFRY_JWT_KEYS_URL": "http://login.example/jwks"], "jwt.keysUrl is not https"),
        (["BELFRY_ALLOWED_ORIGINS": "*"], "Pages of any site may connect"),
        (["BELFRY_REDIS_URL": "redis://:p@cache.example"], "use rediss:// in redis.url"),
        (["BELFRY_REDIS_URL": "rediss://cache.example"], "without a password"),
        (["BELFRY_REDIS_URL": ""], "The bus is in memory"),
        (["BELFRY_POSTGRES_URL": "postgresql://belfry@db.example/app"], "add sslmode=verify-full to postgres.url"),
        (["BELFRY_LIMITS_CONNECTIONS_MAX": "100"], "should be more than limits.sessionsMax"),
    ])
    func whatIsRiskyIsToldWithTheSettingThatEndsIt(changes: [String: String], sentence: String) async throws {
        let environment = Self.careful.merging(changes) { $1 }
        let outcome = try await check([], environment)
        #expect(outcome.status == 0, "\(outcome.output)")
        #expect(outcome.output.contains(sentence), "\(outcome.output)")
        #expect(outcome.output.hasSuffix("would start; look at what is risky (1).\n"), "\(outcome.output)")
        let strict = try await check(["--strict"], environment)
        #expect(strict.status == 1)
    }

    @Test func aFileOfSecretsThatOthersCanReadIsRisky() async throws {
        let file = try TemporaryFile("s.json", #"{"jwt": {"secret": "\#(Self.secret)"}}"#)
        var environment = Self.careful
        environment["BELFRY_JWT_SECRET"] = nil
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file.path)
        let open = try await check(["--config", file.path], environment)
        #expect(open.output.contains("holds secrets and can be read by others (mode 644)"), "\(open.output)")
        try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file.path)
        let closed = try await check(["--config", file.path, "--strict"], environment)
        #expect(closed.status == 0, "\(closed.output)")
    }

    @Test func aRelayWithoutAPortCannotBeWatched() async throws {
        var environment = Self.careful
        environment["BELFRY_RELAY_LISTEN"] = nil
        let outcome = try await check(["relay"], environment)
        #expect(outcome.output.contains("set relay.listen"))
    }
}
