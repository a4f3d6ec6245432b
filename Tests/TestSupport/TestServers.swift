import Foundation
import Logging
import PrivateServers

/// The private servers that the tests of a process share, started when first asked for.
public actor TestServers {
    public static let shared = TestServers()

    private var redis: Task<PrivateRedis, any Error>?
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
