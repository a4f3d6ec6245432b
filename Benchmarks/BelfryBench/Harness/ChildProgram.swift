import Foundation

/// A program that is run to its end.
enum ChildProgram {
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
