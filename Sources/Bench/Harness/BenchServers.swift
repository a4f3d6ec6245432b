import Foundation
import PrivateServers

/// PostgreSQL and Redis of one scenario: private ones with the settings of a production server, or the caller's.
///
/// fsync and synchronous_commit stay on: a figure without them would be of another system.
public final class BenchServers: Sendable {
    public let postgresURL: String
    public let redisURL: String
    private let postgres: PrivatePostgres?
    private let redis: PrivateRedis?

    private init(_ bench: Bench, _ postgres: PrivatePostgres?, _ redis: PrivateRedis?) {
        postgresURL = postgres?.url ?? bench.postgresURL ?? ""
        redisURL = redis?.url ?? bench.redisURL ?? ""
        self.postgres = postgres
        self.redis = redis
    }

    /// What the private PostgreSQL is set to, beside the defaults: memory and checkpoints as on a small server, so that
    /// no checkpoint falls into one contender's run and not into the other's.
    public static let postgresSettings = [
        "shared_buffers": "512MB", "max_wal_size": "8GB", "checkpoint_timeout": "1h", "max_connections": "200",
        "wal_compression": "on",
    ]

    /// Starts what the caller did not bring, and migrates the database with `belfry migrate`.
    public static func start(_ bench: Bench, settings: [String: String] = [:]) async throws -> BenchServers {
        var all = postgresSettings
        all.merge(settings) { $1 }
        let postgres: PrivatePostgres? =
            if bench.postgresURL == nil {
                try await .start(dataDirectory: bench.folder.appendingPathComponent("postgres"), settings: all)
            } else { nil }
        let redis: PrivateRedis? =
            if bench.redisURL == nil {
                try await .start(dataDirectory: bench.folder.appendingPathComponent("redis"))
            } else { nil }
        let servers = BenchServers(bench, postgres, redis)
        do {
            try await servers.migrate(bench)
        } catch {
            await servers.stop()
            throw error
        }
        return servers
    }

    /// Starts them as `start` does, and ends them after `body`, also when that throws.
    static func with<R>(_ bench: Bench, _ body: (BenchServers) async throws -> R) async throws -> R {
        try await Teardown.run { teardown in
            let servers = try await start(bench)
            teardown.add { await servers.stop() }
            return try await body(servers)
        }
    }

    /// The settings that a `belfry` needs to use these servers.
    public var belfrySettings: [String: String] {
        ["BELFRY_POSTGRES_URL": postgresURL, "BELFRY_REDIS_URL": redisURL]
    }

    /// The port of the private Redis on 127.0.0.1; nil for one of the caller's.
    public var redisPort: Int? { redis?.port }

    /// Ends the private servers.
    public func stop() async {
        await redis?.stop()
        await postgres?.stop()
    }

    private func migrate(_ bench: Bench) async throws {
        // Ends by itself: it is ready when it has ended.
        let path = bench.folder.appendingPathComponent("migrate")
        let result = try await Subcommand.run(
            [bench.executable, "migrate"], environment: ["BELFRY_POSTGRES_URL": postgresURL], in: path)
        guard result.status == 0 else { throw BenchError("belfry migrate failed:\n\(result.output)") }
    }
}

/// Why a scenario could not be measured, as a sentence.
public struct BenchError: Error, CustomStringConvertible, Sendable {
    public let description: String

    /// - Parameter description: what went wrong and what would be right.
    public init(_ description: String) { self.description = description }
}

/// A program that is run to its end.
enum Subcommand {
    /// Runs a program with `environment` added to this process's own; its output, standard error included, and status.
    static func run(
        _ arguments: [String], environment: [String: String] = [:], in folder: URL
    ) async throws -> (status: Int32, output: String) {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: arguments[0])
        process.arguments = Array(arguments.dropFirst())
        process.currentDirectoryURL = folder
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("BELFRY_") }
            .merging(environment) { $1 }
        let log = folder.appendingPathComponent("output.txt")
        _ = FileManager.default.createFile(atPath: log.path, contents: nil)
        let handle = try FileHandle(forWritingTo: log)
        defer { try? handle.close() }
        process.standardOutput = handle
        process.standardError = handle
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            process.terminationHandler = { _ in continuation.resume() }
            do { try process.run() } catch { continuation.resume(throwing: error) }
        }
        let output = FileManager.default.contents(atPath: log.path) ?? Data()
        return (process.terminationStatus, String(decoding: output, as: UTF8.self))
    }
}
