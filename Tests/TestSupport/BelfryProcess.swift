import Foundation
import NIOConcurrencyHelpers

/// The program itself as a process of its own, to be killed as a test pleases.
public final class BelfryProcess: Sendable {
    private let process: NIOLockedValueBox<Process?>
    public let arguments: [String]
    private let environment: [String: String]
    public let log: URL

    /// Where the build put `belfry`: beside the test bundle.
    public static let executable: URL = {
        let bundle = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
        return bundle.appendingPathComponent("belfry")
    }()

    /// - Parameters:
    ///   - arguments: the subcommand and its flags.
    ///   - environment: `BELFRY_…` settings.
    public init(_ arguments: [String], environment: [String: String], name: String) throws {
        self.arguments = arguments
        self.environment = environment
        self.process = NIOLockedValueBox(nil)
        self.log = TestServers.folder("\(name).log")
        try FileManager.default.createDirectory(
            at: log.deletingLastPathComponent(), withIntermediateDirectories: true)
        FileManager.default.createFile(atPath: log.path, contents: nil)
        try start()
    }

    /// Starts it (again).
    public func start() throws {
        let process = Process()
        process.executableURL = Self.executable
        process.arguments = arguments
        var all = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("BELFRY_") }
        // No load balancer has to notice a test's end, unless the test is about that.
        all["BELFRY_LIMITS_DRAIN_PAUSE"] = "0s"
        all.merge(environment) { $1 }
        process.environment = all
        let handle = try FileHandle(forWritingTo: log)
        try handle.seekToEnd()
        process.standardOutput = handle
        process.standardError = handle
        process.standardInput = FileHandle.nullDevice
        try process.run()
        self.process.withLockedValue { $0 = process }
    }

    /// SIGKILL, and waits until it is gone.
    public func kill() {
        end(SIGKILL)
    }

    /// SIGTERM, and waits for the graceful end. Returns the exit status.
    @discardableResult
    public func terminate() -> Int32? {
        end(SIGTERM)
    }

    @discardableResult
    private func end(_ signal: Int32) -> Int32? {
        let process = process.withLockedValue { process in
            defer { process = nil }
            return process
        }
        guard let process else { return nil }
        if process.isRunning { Glibc.kill(process.processIdentifier, signal) }
        process.waitUntilExit()
        return process.terminationStatus
    }

    /// Its process id, while it runs.
    public var processID: Int32? { process.withLockedValue { $0?.processIdentifier } }

    public var isRunning: Bool { process.withLockedValue { $0?.isRunning ?? false } }

    /// What it has printed so far.
    public var output: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

    deinit { end(SIGKILL) }
}

/// A port of loopback that was free a moment ago.
public func freePort() -> Int {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    return withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
            _ = bind(descriptor, generic, length)
            _ = getsockname(descriptor, generic, &length)
        }
        return Int(UInt16(bigEndian: pointer.pointee.sin_port))
    }
}
