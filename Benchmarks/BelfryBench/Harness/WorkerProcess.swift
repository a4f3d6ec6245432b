import Foundation
import Glibc

/// This program once more, as a child process with one job, which it does until its standard input ends: also when this
/// process is killed.
final class WorkerProcess: Sendable {
    private let process: Process
    private let input: Pipe
    private let output: Pipe

    /// Starts it.
    ///
    /// - Parameters:
    ///   - arguments: the job; see `BenchProgram`.
    ///   - program: the path of `belfry-bench`; nil for this process's own.
    init(_ arguments: [String], program: URL? = nil) throws {
        (process, input, output) = (Process(), Pipe(), Pipe())
        process.executableURL = program ?? URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = arguments
        process.standardInput = input
        process.standardOutput = output
        try process.run()
    }

    /// Its process id.
    var processIdentifier: Int32 { process.processIdentifier }

    /// The next line that it prints; nil at the end. Reads on a thread of its own.
    func nextLine() async -> String? {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread { [output] in
                let descriptor = output.fileHandleForReading.fileDescriptor
                var line: [UInt8] = []
                var byte: UInt8 = 0
                while Glibc.read(descriptor, &byte, 1) == 1, byte != 10 { line.append(byte) }
                continuation.resume(returning: line.isEmpty ? nil : String(decoding: line, as: UTF8.self))
            }
        }
    }

    /// Ends its standard input, and waits for its end.
    ///
    /// - Returns: the line that it printed last; nil when it had none to print.
    @discardableResult
    func end() async -> String? {
        try? input.fileHandleForWriting.close()
        let line = await nextLine()
        process.waitUntilExit()
        return line
    }

    /// In the child: waits until the parent ends the job.
    static func waitForEnd() async {
        await withCheckedContinuation { continuation in
            Thread.detachNewThread {
                var byte: UInt8 = 0
                while Glibc.read(STDIN_FILENO, &byte, 1) > 0 {}
                continuation.resume()
            }
        }
    }
}
