import Foundation

/// The parent's side of a `SwarmChild`.
final class SwarmProcess: Sendable {
    /// From the first connect until all were ready.
    let secondsToReady: Double
    private let worker: WorkerProcess

    private init(_ worker: WorkerProcess, secondsToReady: Double) {
        self.worker = worker
        self.secondsToReady = secondsToReady
    }

    /// Starts `belfry-bench swarm <JSON>`, this program again, and returns once its connections are ready.
    static func start(_ swarm: IdleSwarm) async throws -> SwarmProcess {
        let json = String(decoding: try JSONEncoder().encode(swarm), as: UTF8.self)
        let worker = try WorkerProcess([SwarmChild.argument, json])
        let line = await worker.nextLine() ?? "nothing"
        guard line.hasPrefix("ready "), let seconds = Double(line.dropFirst(6)) else {
            await worker.end()
            throw LoadError("A swarm of \(swarm.count) connections said: \(line)")
        }
        return SwarmProcess(worker, secondsToReady: seconds)
    }

    /// Processor time it has used, in seconds.
    var usage: ProcessUsage? { ProcessUsage(of: worker.processIdentifier) }

    /// Ends it.
    /// - Returns: the heart-beats that its connections received.
    /// - Throws: `LoadError` when one of its connections had failed.
    @discardableResult
    func stop() async throws -> Int {
        let line = await worker.end() ?? "nothing"
        guard line.hasPrefix("ended "), let beats = Int(line.dropFirst(6)) else {
            throw LoadError("A swarm said: \(line)")
        }
        return beats
    }
}
