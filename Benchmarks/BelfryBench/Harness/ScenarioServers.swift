import Floors
import Foundation
import PrivateServers

/// PostgreSQL and Redis of one scenario: private ones with the settings of a production server, or the caller's.
///
/// fsync and synchronous_commit stay on: a figure without them would be of another system.
final class ScenarioServers: Sendable {
    let postgresURL: String
    let redisURL: String
    private let postgres: PrivatePostgres?
    private let redis: PrivateRedis?

    private init(_ context: ScenarioContext, _ postgres: PrivatePostgres?, _ redis: PrivateRedis?) {
        postgresURL = postgres?.url ?? context.postgresURL ?? ""
        redisURL = redis?.url ?? context.redisURL ?? ""
        self.postgres = postgres
        self.redis = redis
    }

    /// What the private PostgreSQL is set to, beside the defaults: memory and checkpoints as on a small server, so that
    /// no checkpoint falls into one contender's run and not into the other's.
    static let postgresSettings = [
        "shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "1h", "max_connections": "200",
        "wal_compression": "on",
    ]

    /// Starts what the caller did not bring, and migrates the database with `belfry migrate`.
    static func start(_ context: ScenarioContext, settings: [String: String] = [:]) async throws -> ScenarioServers {
        var all = postgresSettings
        all.merge(settings) { $1 }
        let postgres: PrivatePostgres? =
            if context.postgresURL == nil {
                try await .start(dataDirectory: context.folder.appendingPathComponent("postgres"), settings: all)
            } else { nil }
        let redis: PrivateRedis? =
            if context.redisURL == nil {
                try await .start(dataDirectory: context.folder.appendingPathComponent("redis"))
            } else { nil }
        let servers = ScenarioServers(context, postgres, redis)
        do {
            try await servers.migrate(context, url: servers.postgresURL)
        } catch {
            await servers.stop()
            throw error
        }
        return servers
    }

    /// Starts them as `start` does, and ends them after `body`, also when that throws.
    static func with<R>(_ context: ScenarioContext, _ body: (ScenarioServers) async throws -> R) async throws -> R {
        try await Teardown.run { teardown in
            let servers = try await start(context)
            teardown.add { await servers.stop() }
            return try await body(servers)
        }
    }

    /// The settings that a `belfry` needs to use these servers.
    var belfrySettings: [String: String] {
        ["BELFRY_POSTGRES_URL": postgresURL, "BELFRY_REDIS_URL": redisURL]
    }

    /// The port of the private Redis on 127.0.0.1; nil for one of the caller's.
    var redisPort: Int? { redis?.port }

    /// Ends the private servers.
    func stop() async {
        await redis?.stop()
        await postgres?.stop()
    }

    /// Makes a second database anew, beside the one of `postgresURL`, and migrates it.
    ///
    /// - Parameter name: without characters that SQL or a URL would quote.
    /// - Returns: its URL.
    func addDatabase(_ name: String, _ context: ScenarioContext) async throws -> String {
        guard var url = URLComponents(string: postgresURL), url.scheme != nil else {
            throw BenchmarkError("This scenario needs a URL of PostgreSQL, as in postgresql://user@host/database.")
        }
        let connection = try BareConnection(url: postgresURL)
        try connection.execute("drop database if exists \(name) with (force)")
        try connection.execute("create database \(name) encoding 'UTF8' template template0")
        url.path = "/\(name)"
        guard let url = url.string else { throw BenchmarkError("There is no URL of the database \(name).") }
        try await migrate(context, url: url)
        return url
    }

    /// Runs `belfry migrate` with these options on a database.
    func migrate(_ context: ScenarioContext, url: String, options: [String] = []) async throws {
        // Ends by itself: it is ready when it has ended.
        let path = context.folder.appendingPathComponent("migrate")
        let result = try await ChildProgram.run(
            [context.belfry, "migrate"] + options, environment: ["BELFRY_POSTGRES_URL": url], in: path)
        guard result.status == 0 else { throw BenchmarkError("belfry migrate failed:\n\(result.output)") }
    }
}
