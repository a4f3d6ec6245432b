import Foundation
import Testing

@testable import BelfryCommands

/// Where settings come from, and what is said of wrong ones.
struct ConfigurationLoaderTests {
    private func load(
        flags: [String: String] = [:], environment: [String: String] = [:], file: TemporaryFile? = nil
    ) async throws -> BelfryConfiguration {
        try await ConfigurationLoader(flags: flags, environment: environment, path: file?.path).load()
    }

    private func failure(
        flags: [String: String] = [:], environment: [String: String] = [:], file: TemporaryFile? = nil
    ) async -> ConfigurationError? {
        do {
            _ = try await load(flags: flags, environment: environment, file: file)
            return nil
        } catch {
            return error as? ConfigurationError
        }
    }

    @Test func nothingSetIsTheDefaults() async throws {
        let configuration = try await load()
        #expect(configuration.listen == ListenAddress(host: "127.0.0.1", port: 8080))
        #expect(configuration.authentication == .jwt)
        #expect(configuration.postgresURL == nil && configuration.redisURL == nil)
        #expect(configuration.limits == .init())
    }

    @Test func theCommandLineComesBeforeTheEnvironmentAndThatBeforeTheFile() async throws {
        let file = try TemporaryFile("settings.json", #"{"listen": "a:1", "redis": {"keyPrefix": "f:"}, "threads": 3}"#)
        let environment = ["BELFRY_LISTEN": "b:2", "BELFRY_REDIS_KEY_PREFIX": "e:", "PATH": "/bin"]
        let configuration = try await load(flags: ["listen": "c:3"], environment: environment, file: file)
        #expect(configuration.listen == ListenAddress(host: "c", port: 3))
        #expect(configuration.redisKeyPrefix == "e:")
        #expect(configuration.threads == 3)
    }

    @Test func aJSONFileMayHoldNumbersAndArrays() async throws {
        let file = try TemporaryFile(
            "settings.json",
            #"""
            {"limits": {"sessionsMax": 5000, "connectTimeout": "2s"},
             "allowedOrigins": ["https://a.example", "https://b.example"],
             "jwt": {"secret": "from the file"}, "log": {"format": "json", "level": "debug"}, "postgres": {}}
            """#)
        let configuration = try await load(file: file)
        #expect(configuration.limits.sessionsMax == 5_000)
        #expect(configuration.limits.connectTimeout == .seconds(2))
        #expect(configuration.allowedOrigins == ["https://a.example", "https://b.example"])
        #expect(configuration.jwtSecret == "from the file")
        #expect(configuration.logFormat == .json)
        #expect(configuration.logLevel == .debug)
    }

    @Test func aYAMLFileIsReadToo() async throws {
        let file = try TemporaryFile(
            "belfry.yaml",
            """
            postgres:
              url: postgresql://belfry:secret@db/app
              poolSize: 7
            allowedOrigins: [https://a.example]
            limits:
              markInterval: 20ms
            """)
        let configuration = try await load(environment: ["BELFRY_CONFIG": file.path])
        #expect(configuration.postgresURL == "postgresql://belfry:secret@db/app")
        #expect(configuration.postgresPoolSize == 7)
        #expect(configuration.allowedOrigins == ["https://a.example"])
        #expect(configuration.limits.markInterval == .milliseconds(20))
    }

    @Test func aFlagIsTrueOrFalseInEverySource() async throws {
        #expect(try await load().devBeyondLoopback == false)
        #expect(try await load(flags: ["devBeyondLoopback": "true"]).devBeyondLoopback)
        #expect(try await load(environment: ["BELFRY_JWT_REQUIRE_EXPIRY": "true"]).jwtRequireExpiry)
        let json = try TemporaryFile("s.json", #"{"devBeyondLoopback": true, "jwt": {"requireExpiry": "true"}}"#)
        let yaml = try TemporaryFile("s.yaml", "devBeyondLoopback: true\njwt:\n  requireExpiry: true\n")
        for file in [json, yaml] {
            let configuration = try await load(file: file)
            #expect(configuration.devBeyondLoopback && configuration.jwtRequireExpiry)
            #expect(try await load(flags: ["devBeyondLoopback": "false"], file: file).devBeyondLoopback == false)
        }
        #expect(try #require(await failure(flags: ["devBeyondLoopback": "yes"])).message.contains("not true or false"))
    }

    @Test func anEmptyVariableCountsAsAbsent() async throws {
        let file = try TemporaryFile("s.json", #"{"listen": "a:1"}"#)
        let configuration = try await load(
            environment: ["BELFRY_LISTEN": "", "BELFRY_REDIS_URL": "", "BELFRY_CONFIG": ""], file: file)
        #expect(configuration.listen == ListenAddress(host: "a", port: 1))
        #expect(configuration.redisURL == nil)
    }

    @Test func aListHasCommasInTheEnvironment() async throws {
        let configuration = try await load(
            environment: ["BELFRY_ALLOWED_ORIGINS": "https://a.example, https://b.example"])
        #expect(configuration.allowedOrigins == ["https://a.example", "https://b.example"])
    }

    @Test func anUnknownVariableIsNamedWithTheNearest() async throws {
        let error = try #require(await failure(environment: ["BELFRY_POSTGRES_URI": "postgresql://u:pw@h/d"]))
        #expect(error.code == .unknownSetting)
        #expect(
            error.message
                == "The environment variable BELFRY_POSTGRES_URI is not a setting; did you mean BELFRY_POSTGRES_URL?")
        #expect(await failure(environment: ["BELFRY_TEST_ANYTHING": "x", "BELFRY_PG_BIN": "/x", "OTHER": "y"]) == nil)
    }

    @Test func anUnknownKeyOfAFileIsNamedWithTheNearest() async throws {
        let json = try TemporaryFile("s.json", #"{"limits": {"sessionMax": 5}}"#)
        let error = try #require(await failure(file: json))
        #expect(
            error.message == "The configuration file '\(json.path)' holds 'limits.sessionMax', which is not a setting; "
                + "did you mean limits.sessionsMax?")
        let yaml = try TemporaryFile("s.yml", "postgresql:\n  url: x\n")
        #expect(
            try #require(await failure(file: yaml)).message.contains(
                "'postgresql.url', which is not a setting; did you mean postgres.url?"))
    }

    @Test func anUnknownFlagIsNamedWithTheNearest() async throws {
        let error = try #require(await failure(flags: ["lissten": "a:1"]))
        #expect(error.message == "The command line sets 'lissten', which is not a setting; did you mean listen?")
        #expect(try #require(await failure(flags: ["xyzzy": "1"])).message.hasSuffix("which is not a setting."))
    }

    @Test func aWrongValueIsNamedWithItsSource() async throws {
        let environment = try #require(await failure(environment: ["BELFRY_LIMITS_CONNECT_TIMEOUT": "10"]))
        #expect(
            environment.message
                == "The setting BELFRY_LIMITS_CONNECT_TIMEOUT has the value '10' in the environment that is "
                + "not \(DurationText.hint), from 100ms to 10m.")
        let file = try TemporaryFile("s.json", #"{"auth": "none"}"#)
        #expect(
            try #require(await failure(file: file)).message
                == "The setting auth has the value 'none' in the file '\(file.path)' that is not one of jwt, password, "
                + "http, dev.")
        let flag = try #require(await failure(flags: ["listen": "8080"]))
        #expect(flag.message.contains("The setting listen has the value '8080' in the command line that is not a host"))
    }

    @Test(arguments: [
        ("threads", "0"), ("threads", "two"), ("limits.sessionsMax", "-1"), ("limits.nackDelay", "5"),
        ("limits.nackDelay", "99999999999999999999s"), ("log.level", "loud"), ("postgres.poolSize", "1.5"),
        ("redis.url", "localhost:6379"), ("postgres.url", "mysql://x"), ("postgres.url", "postgresql://"),
        ("allowedOrigins", "a,,b"), ("redis.keyPrefix", ""),
    ])
    func aWrongValueStopsTheStart(key: String, value: String) async throws {
        let error = try #require(await failure(flags: [key: value]))
        #expect(error.code == .invalidValue || error.code == .secretOnCommandLine)
        #expect(error.message.contains(key))
    }

    @Test func aWrongTypeInAFileIsNamed() async throws {
        let file = try TemporaryFile("s.yaml", "listen: [1, [2]]\n")
        #expect(await failure(file: file) != nil)
        let array = try TemporaryFile("s.json", #"{"listen": [1, 2]}"#)
        #expect(try #require(await failure(file: array)).message.contains("listen"))
    }

    @Test func noSecretIsEverQuoted() async throws {
        let failures = [
            await failure(environment: ["BELFRY_POSTGRES_URL": "hunter2:pg"]),
            await failure(environment: ["BELFRY_REDIS_URL": "redis:hunter2"]),
            await failure(flags: ["jwt.secret": "hunter2"]), await failure(flags: ["postgres.url": "hunter2"]),
            await failure(flags: ["redis.url": "redis://:hunter2@h"]),
            await failure(file: try TemporaryFile("s.json", #"{"jwt": {"secret": "hunter2", }"#)),
            await failure(file: try TemporaryFile("s.yaml", "jwt:\n  secret: 'hunter2\n : x")),
        ]
        for error in failures {
            #expect(!(try #require(error)).message.contains("hunter2"))
        }
    }

    @Test(arguments: [
        ("postgres.url", "postgresql://u:p@h/d"), ("postgres.url", "postgres://u@h/d?password=p"),
        ("postgres.listenUrl", "postgresql://u:p@h/d"), ("redis.url", "redis://:p@h"),
        ("redis.url", "rediss://u:p@h/1"),
        ("jwt.secret", "s"),
    ])
    func aPasswordOnTheCommandLineIsRefused(key: String, value: String) async throws {
        let error = try #require(await failure(flags: [key: value]))
        #expect(error.code == .secretOnCommandLine)
        #expect(error.message.contains(try #require(Settings.named(key)).environmentName))
    }

    @Test(arguments: [
        ("postgres.url", "postgresql://u@h:5432/d?sslmode=require"), ("redis.url", "redis://h:6379/2"),
        ("redis.url", "redis://[::1]:6379"), ("redis.url", "redis://user@h"),
    ])
    func aURLWithoutAPasswordMayStandThere(key: String, value: String) async throws {
        #expect(await failure(flags: [key: value]) == nil)
    }

    @Test func aFileThatCannotBeReadIsNamed() async throws {
        do {
            _ = try await ConfigurationLoader(flags: [:], environment: [:], path: "/nonexistent.json")
            Issue.record("A missing file was read.")
        } catch {
            #expect(error.message == "The configuration file '/nonexistent.json' does not exist or can't be read.")
        }
        let other = try TemporaryFile("settings.toml", "listen = 1")
        #expect(try #require(await failure(file: other)).message.contains("must end in .json, .yaml or .yml"))
        for text in ["", "[]", "nonsense", "{"] {
            let error = try #require(await failure(file: try TemporaryFile("s.json", text)))
            #expect(error.code == .unreadableFile)
        }
    }
}
