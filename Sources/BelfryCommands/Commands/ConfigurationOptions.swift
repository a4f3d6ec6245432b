import ArgumentParser
import Foundation

/// Options that every command has: where its settings are.
struct ConfigurationOptions: ParsableArguments {
    @Option(name: .customLong("config"), help: ArgumentHelp("A file with settings, JSON or YAML.", valueName: "file"))
    var file: String?

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp("A setting that is not a secret, by its key; may be repeated.", valueName: "key=value"))
    var assignments: [Assignment] = []

    @Option(
        name: .customLong("postgres-url"),
        help: ArgumentHelp("The database, without a password (postgres.url).", valueName: "url"))
    var postgresURL: String?

    @Option(name: .customLong("log-level"), help: "trace, debug, info, notice, warning, error or critical (log.level).")
    var logLevel: String?

    @Option(name: .customLong("log-format"), help: "text or json (log.format).")
    var logFormat: String?

    /// The settings, from the command line, the environment and the file.
    ///
    /// - Parameters:
    ///   - flags: what other options set, by setting's key.
    ///   - defaults: what the command has instead of the general defaults, by setting's key.
    func load(
        _ flags: [String: String?] = [:], defaults: [String: String] = [:]
    ) async throws -> BelfryConfiguration {
        try await loader(flags, defaults: defaults).load()
    }

    /// What reads them, for those who want to know more than their values.
    func loader(
        _ flags: [String: String?] = [:], defaults: [String: String] = [:]
    ) async throws -> ConfigurationLoader {
        var values: [String: String] = [:]
        for assignment in assignments { values[assignment.key] = assignment.value }
        let own = ["postgres.url": postgresURL, "log.level": logLevel, "log.format": logFormat]
        for (key, value) in own.merging(flags, uniquingKeysWith: { $1 }) {
            if let value { values[key] = value }
        }
        let environment = ProcessInfo.processInfo.environment
        return try await ConfigurationLoader(flags: values, environment: environment, path: file, defaults: defaults)
    }
}

/// `--set key=value`.
struct Assignment: ExpressibleByArgument {
    let key: String
    let value: String

    init?(argument: String) {
        guard let equals = argument.firstIndex(of: "="), equals != argument.startIndex else { return nil }
        key = String(argument[..<equals])
        value = String(argument[argument.index(after: equals)...])
    }
}

/// Options of the commands that serve.
struct ServingOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Where to serve HTTP and WebSocket (listen).", valueName: "host:port"))
    var listen: String?

    @Option(help: ArgumentHelp("Where to serve STOMP over TCP, if at all (stomp.listen).", valueName: "host:port"))
    var stomp: String?

    @Option(help: "Event loops; one for each core when absent (threads).")
    var threads: String?

    @Option(help: "jwt, or dev: the token itself is the user, for development only (auth).")
    var auth: String?

    @Flag(help: "With auth dev: allow an address that other machines can reach (devBeyondLoopback).")
    var devBeyondLoopback = false

    @Option(
        name: .customLong("jwt-keys"),
        help: ArgumentHelp("A file with public keys, PEM or JWKS (jwt.keys).", valueName: "file"))
    var jwtKeys: String?

    @Option(name: .customLong("jwt-issuer"), help: "What a token's 'iss' must be (jwt.issuer).")
    var jwtIssuer: String?

    @Option(name: .customLong("jwt-audience"), help: "What a token's 'aud' must be or contain (jwt.audience).")
    var jwtAudience: String?

    @Flag(name: .customLong("jwt-require-expiry"), help: "Refuse tokens without 'exp' (jwt.requireExpiry).")
    var jwtRequiresExpiry = false

    /// By setting's key.
    var flags: [String: String?] {
        [
            "listen": listen, "stomp.listen": stomp, "threads": threads, "auth": auth, "jwt.keys": jwtKeys,
            "jwt.issuer": jwtIssuer,
            "jwt.audience": jwtAudience, "devBeyondLoopback": devBeyondLoopback ? "true" : nil,
            "jwt.requireExpiry": jwtRequiresExpiry ? "true" : nil,
        ]
    }
}

/// Options of the commands that use Redis.
struct RedisOptions: ParsableArguments {
    @Option(
        name: .customLong("redis-url"),
        help: ArgumentHelp("Redis, without a password (redis.url).", valueName: "url"))
    var redisURL: String?

    @Option(name: .customLong("redis-key-prefix"), help: "The prefix of channels' names (redis.keyPrefix).")
    var keyPrefix: String?

    /// By setting's key.
    var flags: [String: String?] { ["redis.url": redisURL, "redis.keyPrefix": keyPrefix] }
}
