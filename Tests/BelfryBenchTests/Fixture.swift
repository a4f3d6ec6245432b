import Foundation

@testable import BelfryBench

/// Where the scripts and their inputs are.
enum Fixture {
    private static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("Fixtures")
    private static let scripts = folder.deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("scripts")

    /// A report with every kind of measure: reached, missed, without its peer, in its own unit.
    static let report = folder.appendingPathComponent("report.json")
    /// Thresholds that the report keeps.
    static let thresholds = folder.appendingPathComponent("thresholds.json")

    /// Runs one of the project's scripts to its end.
    static func run(_ script: String, _ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
        try run(program: scripts.appendingPathComponent(script), arguments)
    }

    /// Runs a program to its end.
    static func run(program: URL, _ arguments: [String]) throws -> (status: Int32, output: String, errors: String) {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        // Each stays far below what a pipe holds.
        let text = output.fileHandleForReading.readDataToEndOfFile()
        let errorText = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (
            process.terminationStatus, String(decoding: text, as: UTF8.self), String(decoding: errorText, as: UTF8.self)
        )
    }

    /// Runs `body` with a folder that is gone afterwards.
    static func withFolder<Result>(_ body: (URL) throws -> Result) throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("belfry-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try body(folder)
    }

    /// The same for what waits.
    @discardableResult
    static func withFolder<Result>(_ body: (URL) async throws -> Result) async throws -> Result {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("belfry-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        return try await body(folder)
    }

    /// Writes a report as `belfry-bench --json` does.
    static func write(_ results: [ScenarioResult], to file: URL) throws {
        var report = BenchmarkReport(version: "1.0.0", isQuick: false)
        report.results = results
        try Data(try report.json.utf8).write(to: file)
    }
}
