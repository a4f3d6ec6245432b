import Foundation
import Glibc
import Synchronization

/// The parent's side of a `SwarmChild`.
final class SwarmProcess: Sendable {
    /// From the first connect until all were ready.
    let secondsToReady: Double
    private let process: Process
    private let input: Pipe
    private let output: LineReader

    private init(_ process: Process, _ input: Pipe, _ output: LineReader, secondsToReady: Double) {
        self.process = process
        self.input = input
        self.output = output
        self.secondsToReady = secondsToReady
    }

    /// Starts `belfry-bench swarm <JSON>`, this program again, and returns once its connections are ready.
    static func start(_ swarm: IdleSwarm) async throws -> SwarmProcess {
        let json = String(decoding: try JSONEncoder().encode(swarm), as: UTF8.self)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = [SwarmChild.argument, json]
        let (input, pipe) = (Pipe(), Pipe())
        process.standardInput = input
        process.standardOutput = pipe
        try process.run()
        let output = LineReader(pipe.fileHandleForReading)
        let line = await output.next() ?? "nothing"
        guard line.hasPrefix("ready "), let seconds = Double(line.dropFirst(6)) else {
            try? input.fileHandleForWriting.close()
            process.waitUntilExit()
            throw LoadError("A swarm of \(swarm.count) connections said: \(line)")
        }
        return SwarmProcess(process, input, output, secondsToReady: seconds)
    }

    /// Processor time it has used, in seconds.
    var usage: ProcessUsage? { ProcessUsage(of: process.processIdentifier) }

    /// Ends it.
    /// - Returns: the heart-beats that its connections received.
    /// - Throws: `LoadError` when one of its connections had failed.
    @discardableResult
    func stop() async throws -> Int {
        try? input.fileHandleForWriting.close()
        let line = await output.next() ?? "nothing"
        process.waitUntilExit()
        guard line.hasPrefix("ended "), let beats = Int(line.dropFirst(6)) else {
            throw LoadError("A swarm said: \(line)")
        }
        return beats
    }
}

/// Lines of a pipe, each read on a thread of its own.
private final class LineReader: Sendable {
    private let handle: FileHandle

    init(_ handle: FileHandle) { self.handle = handle }

    /// The next line; nil at the end.
    func next() async -> String? {
        await withCheckedContinuation { continuation in
            let descriptor = handle.fileDescriptor
            Thread.detachNewThread {
                var line: [UInt8] = []
                var byte: UInt8 = 0
                while Glibc.read(descriptor, &byte, 1) == 1, byte != 10 { line.append(byte) }
                continuation.resume(returning: line.isEmpty ? nil : String(decoding: line, as: UTF8.self))
            }
        }
    }
}
