import Foundation
import Testing

@testable import BelfryCommands

/// What the program says and how it exits, without a database.
struct CommandLineTests {
    private func fails(
        _ arguments: [String], environment: [String: String] = [:], status: Int32 = 1, _ sentence: String
    ) async throws {
        let outcome = try await BelfryProgram.run(arguments, environment: environment)
        #expect(outcome.status == status)
        #expect(outcome.errors.contains(sentence), "\(outcome.errors)")
        #expect(outcome.output.isEmpty)
    }

    @Test func versionAndHelp() async throws {
        let version = try await BelfryProgram.run(["--version"])
        #expect(version.output == "\(BelfryVersion.current)\n" && version.status == 0)
        let help = try await BelfryProgram.run(["--help"])
        for name in [
            "dev", "migrate", "serve", "relay", "node", "notify", "tail", "replay", "jobs", "status", "trace", "doctor",
            "export", "token", "password", "config",
        ] {
            #expect(help.output.contains("\n  \(name) "))
        }
        #expect(!help.output.contains("\n  settings "))
    }

    @Test func wrongUsageExitsWith64() async throws {
        try await fails(["--nonsense"], status: 64, "Unknown option '--nonsense'")
        try await fails(["bench"], status: 64, "Unexpected argument 'bench'")
        try await fails(["replay"], status: 64, "Give at least one of --id")
        try await fails(["replay", "--delivered"], status: 64, "--delivered alone would replay everything")
        try await fails(["replay", "--id", "0"], status: 64, "--id must be positive numbers, not '0'")
        try await fails(["replay", "--since", "yesterday"], status: 64, "--since must be an ISO 8601 time")
        try await fails(["replay", "--status", "lost"], status: 64, "--status must be one of")
        try await fails(["trace", "x"], status: 64, "A message's id is a positive number, not 'x'.")
        try await fails(["export", "--status", "lost"], status: 64, "--status must be one of")
        try await fails(["export", "--format", "xml"], status: 64, "'xml' is invalid")
        try await fails(["replay", "--user", "a", "--rate", "5"], status: 64, "--rate and --follow go with --job.")
        try await fails(["replay", "--user", "a", "--follow"], status: 64, "--rate and --follow go with --job.")
        try await fails(
            ["replay", "--user", "a", "--job", "--rate", "0"], status: 64, "--rate must be from 1 to 10000")
        try await fails(
            ["replay", "--user", "a", "--job", "--follow", "--dry-run"], status: 64, "There is nothing to --follow")
        try await fails(["jobs", "list", "--limit", "0"], status: 64, "--limit must be from 1 to 1000")
        try await fails(["jobs", "pause"], status: 64, "Missing expected argument '<job>'")
        try await fails(
            ["notify", "--user", "a", "--topic", "b", "--type", "JSON_MSG", "--data", "1"], status: 64,
            "Give either --user or --topic")
        try await fails(
            ["notify", "--user", "a", "--type", "STRING_MSG", "--data", "hello"], status: 64, "--data is not JSON")
        try await fails(
            ["token", "--user", "a", "--expires", "1"], status: 64, "--expires must be a number with a unit")
        try await fails(
            ["token", "--user", "a", "--send", "topic"], status: 64, "--subscribe and --send must be patterns")
        try await fails(["password", "--user", "a:b"], status: 64, "--user must be a user's id without blanks")
        try await fails(["tail", "--ack"], status: 64, "give --user, --token or both")
        try await fails(["tail", "--user", "a", "--history", "0"], status: 64, "--history must be from 1 to 1000")
        try await fails(["migrate", "--status", "--dry-run"], status: 64, "Give either --status or --dry-run")
        try await fails(["migrate", "--sql", "--status"], status: 64, "--sql prints a script and does nothing else")
        try await fails(["migrate", "--from", "1"], status: 64, "--from is for --sql")
        try await fails(["migrate", "--sql", "--from", "0"], status: 64, "--from must be a number from 1 to")
        try await fails(["config", "check", "redis"], status: 64, "The value 'redis' is invalid for '<process>'")
    }

    @Test func whatIsMissingIsNamed() async throws {
        try await fails(["status"], "set postgres.url (BELFRY_POSTGRES_URL)")
        try await fails(["serve", "--auth", "dev"], "set postgres.url (BELFRY_POSTGRES_URL)")
        let database = ["--postgres-url", "postgresql://belfry@127.0.0.1:1/app"]
        try await fails(["serve"] + database, "set jwt.secret (BELFRY_JWT_SECRET), jwt.keys")
        try await fails(["serve", "--auth", "http"] + database, "set httpAuth.url (BELFRY_HTTP_AUTH_URL)")
        try await fails(["serve", "--auth", "password"] + database, "set passwords (BELFRY_PASSWORDS)")
        try await fails(
            ["serve", "--auth", "password", "--set", "passwords=/nowhere/logins"] + database,
            "The file '/nowhere/logins' (passwords) can't be read")
        try await fails(["node"] + database, "set redis.url (BELFRY_REDIS_URL)")
        try await fails(["relay"] + database, "set redis.url (BELFRY_REDIS_URL)")
        try await fails(["token", "--user", "alice"], "set jwt.secret (BELFRY_JWT_SECRET)")
    }

    @Test func wrongSettingsStopTheStart() async throws {
        try await fails(
            ["serve"], environment: ["BELFRY_POSTGRES_URI": "x"], "did you mean BELFRY_POSTGRES_URL?")
        try await fails(["serve", "--set", "limits.sesionsMax=1"], "did you mean limits.sessionsMax?")
        try await fails(["serve", "--listen", "8080"], "is not a host and a port")
        try await fails(
            ["serve", "--postgres-url", "postgresql://b@127.0.0.1:1/a"],
            environment: ["BELFRY_JWT_SECRET": "too short"], "has 9 bytes; at least 32 are needed")
        try await fails(
            ["serve", "--postgres-url", "postgresql://b:secret@127.0.0.1:1/a"], "was given on the command line")
    }

    @Test func aPasswordIsNeverShown() async throws {
        let environment = ["BELFRY_POSTGRES_URL": "postgresql://belfry:hunter2@127.0.0.1:1/app"]
        for command in [["status"], ["migrate"], ["replay", "--user", "a"]] {
            let outcome = try await BelfryProgram.run(command, environment: environment)
            #expect(outcome.status == 1)
            #expect(outcome.errors.contains("127.0.0.1"), "\(outcome.errors)")
            #expect(!outcome.errors.contains("hunter2"))
        }
    }

    @Test func tokenPrintsNothingButTheToken() async throws {
        let outcome = try await BelfryProgram.run(
            ["token", "--user", "alice"], environment: ["BELFRY_JWT_SECRET": String(repeating: "s", count: 32)])
        #expect(outcome.status == 0)
        #expect(outcome.output.split(separator: ".").count == 3 && outcome.output.hasPrefix("eyJ"))
        #expect(outcome.errors.isEmpty)
    }
}
