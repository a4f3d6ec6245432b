import Foundation
import Glibc

/// Any other program run as a private server: a child in its own data directory that ends with this process.
///
/// Unlike PostgreSQL's and Redis' servers it is given its port by its caller, who also says when it is ready.
public final class PrivateProgram: Sendable {
    /// What the program is called in messages to a person.
    public let name: String
    /// The file that its output goes to.
    public let logPath: String

    private let process: ServerProcess
    private let slot = ServerSlot()

    private init(name: String, process: ServerProcess, logPath: String) {
        self.name = name
        self.process = process
        self.logPath = logPath
    }

    /// The program's process id.
    public var processIdentifier: Int32 { process.pid }

    /// Whether it still runs.
    public var isRunning: Bool { process.isRunning }

    /// The last lines of its output, for an error message.
    public var logTail: String {
        let data = FileManager.default.contents(atPath: logPath) ?? Data()
        return String(decoding: data.suffix(4_000), as: UTF8.self)
    }

    /// The absolute path of a program in PATH or in the usual folders; nil when it is not installed.
    public static func find(_ program: String) -> String? { Programs.find(program) }

    /// A port of 127.0.0.1 that was free a moment ago.
    public static func freePort() throws -> Int { try LoopbackPort.free() }

    /// Starts a program and returns when `isReady` says so.
    ///
    /// - Parameters:
    ///   - name: what the program is called in messages.
    ///   - arguments: the absolute path of the program, then its arguments.
    ///   - environment: added to this process's own, less the settings of PostgreSQL's clients and of Belfry.
    ///   - dataDirectory: made when absent and locked for this process; its file `server.log` takes the output.
    ///   - limit: how long it may take to be ready.
    ///   - isReady: asked every 10 ms while the program runs.
    /// - Throws: `PrivateServerError`, with the end of the output; `CancellationError`.
    public static func start(
        name: String, arguments: [String], environment: [String: String] = [:], dataDirectory: URL,
        within limit: Duration = .seconds(60), isReady: @Sendable () async -> Bool
    ) async throws -> PrivateProgram {
        let directory = try DataDirectory(dataDirectory)
        let log = "\(directory.path)/server.log"
        let process = try ServerProcess.spawn(arguments, environment: environment, log: log)
        let program = PrivateProgram(name: name, process: process, logPath: log)
        program.slot.put(process, directory)
        let deadline = ContinuousClock.now + limit
        while await !isReady() {
            let runs = process.isRunning
            guard runs, ContinuousClock.now < deadline, !Task.isCancelled else {
                program.kill()
                try Task.checkCancellation()
                throw PrivateServerError(
                    .startFailed,
                    "\(name) \(runs ? "was not ready after \(limit)" : "ended while it started"). Its output ends:\n"
                        + program.logTail)
            }
            try await Task.sleep(for: .milliseconds(10))
        }
        return program
    }

    /// SIGKILL to every private server of this process, of whatever kind, before it ends by a signal.
    public static func killAll() { RunningServers.killAll() }

    /// SIGTERM; one that has not ended after 20 s is killed.
    public func stop() async { await slot.stop(by: SIGTERM, within: .seconds(20)) }

    /// SIGKILL to the program and its children; returns when they are gone.
    public func kill() { slot.kill() }
}
