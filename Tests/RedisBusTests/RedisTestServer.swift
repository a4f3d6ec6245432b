import BusConformance
import Bus
import Foundation
import Logging
import NIOCore
import NIOPosix
import PrivateServers
import RedisBus
import Synchronization

/// A private redis-server in a directory of its own, with buses that are closed at the end of `run`.
final class RedisTestServer: Sendable {
    let redis: PrivateRedis
    let directory: URL
    private let buses = Mutex<[RedisBus]>([])

    private init(redis: PrivateRedis, directory: URL) {
        self.redis = redis
        self.directory = directory
    }

    /// Starts a server, runs `body`, and ends everything, whatever `body` does.
    static func run(
        password: String? = nil, tls: ((URL) throws -> PrivateRedis.TLS)? = nil,
        _ body: (RedisTestServer) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "belfry-redis-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let redis = try await PrivateRedis.start(
            dataDirectory: directory.appending(path: "data"), password: password, tls: try tls?(directory))
        let server = RedisTestServer(redis: redis, directory: directory)
        let result: Result<Void, any Error>
        do {
            try await body(server)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        for bus in server.buses.withLock({ $0 }) { await bus.close() }
        await redis.stop()
        try result.get()
    }

    /// A bus that may not be connected yet; quick to notice faults unless `patient`.
    func bus(
        url: String? = nil, keyPrefix: String = "test:", patient: Bool = false, log: CapturedLog = CapturedLog(),
        onStateChange: (@Sendable (RedisStateChange) -> Void)? = nil
    ) throws -> RedisBus {
        var configuration = try RedisConfiguration(url: url ?? redis.url, keyPrefix: keyPrefix)
        if !patient {
            configuration.connectTimeout = .milliseconds(500)
            configuration.answerTimeout = .milliseconds(500)
            configuration.quietInterval = .milliseconds(500)
            configuration.retryPauseMax = .milliseconds(200)
        }
        let bus = try RedisBus(
            configuration: configuration, eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: log.logger,
            onStateChange: onStateChange)
        buses.withLock { $0.append(bus) }
        return bus
    }

    /// A connected bus and two loops.
    func underTest(keyPrefix: String = "test:", patient: Bool = false) async throws -> BusUnderTest {
        let bus = try bus(keyPrefix: keyPrefix, patient: patient)
        try await until("the publisher is connected") { bus.isConnected }
        return BusUnderTest(bus: bus, loops: Self.loops)
    }

    static let loops = [MultiThreadedEventLoopGroup.singleton.next(), MultiThreadedEventLoopGroup.singleton.next()]

    /// Runs `redis-cli` against the server and answers with what it prints.
    @discardableResult
    func cli(_ arguments: String...) throws -> String {
        try Self.output(of: ["redis-cli", "-p", String(redis.port)] + arguments)
    }

    /// Sends a signal to the server's process, such as SIGSTOP.
    func signal(_ signal: Int32, pid: Int32) {
        kill(pid, signal)
    }

    func pid() throws -> Int32 {
        let line = try cli("INFO", "server").split(whereSeparator: \.isNewline).first { $0.hasPrefix("process_id:") }
        guard let pid = line.flatMap({ Int32($0.dropFirst("process_id:".count)) }) else {
            throw ConformanceFailure("redis-server did not tell its process id")
        }
        return pid
    }

    /// Runs a program and answers with its output.
    static func output(of command: [String], in directory: URL? = nil) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        process.currentDirectoryURL = directory
        let pipe = Pipe()
        process.standardOutput = pipe
        process.standardError = pipe
        try process.run()
        let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw ConformanceFailure("\(command.prefix(2).joined(separator: " ")) failed: \(output)")
        }
        return output
    }
}

/// A log that a test can read.
final class CapturedLog: Sendable {
    private let lines = Mutex<[String]>([])

    /// What was logged at a level, each line with its metadata.
    func lines(_ level: Logger.Level) -> [String] {
        lines.withLock { $0.filter { $0.hasPrefix("\(level) ") } }
    }

    var logger: Logger {
        Logger(label: "test") { _ in Handler(log: self) }
    }

    private struct Handler: LogHandler {
        let log: CapturedLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            log.lines.withLock { $0.append("\(event.level) \(event.message) \(event.metadata ?? [:])") }
        }
    }
}
