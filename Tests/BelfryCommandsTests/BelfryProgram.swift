import Foundation
import Synchronization
import TestBasics

/// The program itself, as a user runs it.
final class BelfryProgram: Sendable {
    /// How a run ended.
    struct Outcome: Sendable {
        let status: Int32
        let output: String
        let errors: String
    }

    /// The binary beside the tests' own.
    static let path: String = {
        let maps = (try? String(contentsOfFile: "/proc/self/maps", encoding: .utf8)) ?? ""
        let bundle = maps.split(separator: "\n").compactMap { line in
            line.hasSuffix(".xctest") ? line.split(separator: " ").last.map(String.init) : nil
        }.first
        return URL(fileURLWithPath: bundle ?? CommandLine.arguments[0]).deletingLastPathComponent()
            .appendingPathComponent("belfry").path
    }()

    /// Without this machine's BELFRY_ variables.
    static var environment: [String: String] {
        ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("BELFRY_") || $0.key == "BELFRY_PG_BIN" }
    }

    private let process: Mutex<Process>
    private let output = TextBox()
    private let errors = TextBox()

    /// Starts it, with none of this machine's BELFRY_ variables but those given.
    init(_ arguments: [String], environment: [String: String] = [:], folder: URL? = nil) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: Self.path)
        process.arguments = arguments
        process.environment = Self.environment
            // No load balancer has to notice a test's end, unless the test is about that.
            .merging(["BELFRY_LIMITS_DRAIN_PAUSE": "0s"]) { $1 }
            .merging(environment) { $1 }
        if let folder { process.currentDirectoryURL = folder }
        for (box, keyPath) in [(output, \Process.standardOutput), (errors, \Process.standardError)] {
            let pipe = Pipe()
            // On a thread of its own: a handler of Foundation's may not be told of the last piece.
            Thread.detachNewThread {
                while case let data = pipe.fileHandleForReading.availableData, !data.isEmpty { box.append(data) }
                box.ended()
            }
            process[keyPath: keyPath] = pipe
        }
        try process.run()
        self.process = Mutex(process)
    }

    var outputText: String { output.text }
    var errorText: String { errors.text }
    var processIdentifier: Int32 { process.withLock { $0.processIdentifier } }

    /// SIGTERM.
    func terminate() { process.withLock { $0.terminate() } }

    /// Waits for the end, 60 s at most; then it is killed.
    func outcome() async -> Outcome {
        let ended = await isEventually(within: .seconds(60)) { self.process.withLock { !$0.isRunning } }
        if !ended { kill(processIdentifier, SIGKILL) }
        process.withLock { $0.waitUntilExit() }
        // The pipes may hold a last line still. A program that was killed may leave some of its own that hold them
        // open.
        _ = await isEventually(within: .seconds(5)) { self.output.isEnded && self.errors.isEnded }
        return Outcome(
            status: process.withLock { $0.terminationStatus }, output: outputText, errors: errorText)
    }

    /// Runs it to its end.
    static func run(_ arguments: [String], environment: [String: String] = [:]) async throws -> Outcome {
        try await BelfryProgram(arguments, environment: environment).outcome()
    }
}

/// Text that a pipe brings in pieces.
private final class TextBox: Sendable {
    private let data = Mutex(Data())
    private let end = Mutex(false)

    var isEnded: Bool { end.withLock { $0 } }
    func ended() { end.withLock { $0 = true } }

    var text: String { data.withLock { String(decoding: $0, as: UTF8.self) } }
    func append(_ piece: Data) { data.withLock { $0.append(piece) } }
}
