import Foundation
import Logging
import NIOConcurrencyHelpers
import Outbox
import Postgres
import PrivateServers

/// The private servers that the tests of a process share, started when first asked for, and fresh databases on them.
public actor TestServers {
    public static let shared = TestServers()

    private var postgres: Task<PrivatePostgres, any Error>?
    private var redis: Task<PrivateRedis, any Error>?
    private var databases = 0
    private static let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("belfry-test-\(ProcessInfo.processInfo.processIdentifier)")

    /// A folder of this process below the temporary directory, for a server of a test's own.
    public static func folder(_ name: String) -> URL { folder.appendingPathComponent(name) }

    /// The shared PostgreSQL: as durable as in production would only make the tests slower.
    public func sharedPostgres() async throws -> PrivatePostgres {
        if let postgres { return try await postgres.value }
        let task = Task {
            try await PrivatePostgres.start(dataDirectory: Self.folder("postgres"), settings: Self.settings)
        }
        postgres = task
        return try await task.value
    }

    /// Settings of PostgreSQL for tests that do not pull the plug.
    public static let settings = ["fsync": "off", "max_connections": "400", "max_wal_size": "2GB"]

    public func sharedRedis() async throws -> PrivateRedis {
        if let redis { return try await redis.value }
        let task = Task { try await PrivateRedis.start(dataDirectory: Self.folder("redis")) }
        redis = task
        return try await task.value
    }

    /// The URL of a new database, with the schema applied.
    public func migratedDatabase(on server: PrivatePostgres? = nil) async throws -> String {
        let own: PrivatePostgres
        if let server { own = server } else { own = try await sharedPostgres() }
        databases += 1
        let name = "belfry_test_\(databases)"
        let admin = try await PostgresConnection.connect(
            try PostgresConfiguration(url: own.url, applicationName: "belfry-test"))
        try await admin.run("create database \(name)")
        await admin.close()
        let url = own.url(database: name)
        _ = try await Migrator(
            configuration: try PostgresConfiguration(url: url, applicationName: "belfry-test"), logger: .quiet
        ).apply()
        return url
    }
}

extension Logger {
    /// Warnings only, so that a failing test's output can be read; everything with BELFRY_TEST_LOG=trace and the like.
    public static var quiet: Logger {
        var logger = Logger(label: "belfry.test")
        logger.logLevel =
            ProcessInfo.processInfo.environment["BELFRY_TEST_LOG"].flatMap(Logger.Level.init(rawValue:)) ?? .error
        return logger
    }
}
