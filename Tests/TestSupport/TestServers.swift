import DatabaseSupport
import Foundation
import Logging
import NIOConcurrencyHelpers
import Outbox
import Postgres
import PrivateServers

/// The private servers that the tests of a process share, started when first asked for, and fresh databases on them.
public actor TestServers {
    public static let shared = TestServers()

    private var redis: Task<PrivateRedis, any Error>?
    private var databases = 0
    private static let folder = FileManager.default.temporaryDirectory
        .appendingPathComponent("belfry-test-\(ProcessInfo.processInfo.processIdentifier)")

    /// A folder of this process below the temporary directory, for a server of a test's own.
    public static func folder(_ name: String) -> URL { folder.appendingPathComponent(name) }

    public func sharedRedis() async throws -> PrivateRedis {
        if let redis { return try await redis.value }
        let task = Task { try await PrivateRedis.start(dataDirectory: Self.folder("redis")) }
        redis = task
        return try await task.value
    }

    /// The URL of a new database with the schema applied: on the server that all tests share, or on one of the test's
    /// own.
    public func migratedDatabase(on server: PrivatePostgres? = nil) async throws -> String {
        guard let server else { return try await TestServer.makeDatabase().url }
        databases += 1
        let name = "belfry_test_\(databases)"
        let admin = try await PostgresConnection.connect(
            try PostgresConfiguration(url: server.url, applicationName: "belfry-test"))
        try await admin.run("create database \(name)")
        await admin.close()
        let url = server.url(database: name)
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
