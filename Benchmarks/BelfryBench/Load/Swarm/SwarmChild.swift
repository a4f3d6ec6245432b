import Foundation

/// A process that holds an `IdleSwarm`: descriptors are limited per process, so a large swarm takes several.
enum SwarmChild {
    /// What this program's first argument is when it is to be such a process.
    static let argument = "swarm"

    /// Holds the swarm of `arguments` (one JSON text) until standard input ends. Prints `ready <seconds>` once all
    /// connections are ready, and `ended <heart-beats received>` at the end.
    ///
    /// - Returns: the exit status; a failure is a sentence on standard output.
    static func main(_ arguments: [String]) async -> Int32 {
        do {
            guard let text = arguments.first else { throw LoadError("The swarm's description is missing.") }
            let idle = try JSONDecoder().decode(IdleSwarm.self, from: Data(text.utf8))
            let swarm = try await Swarm.start(idle.configuration)
            Console.print("ready \(swarm.secondsToReady)")
            await WorkerProcess.waitForEnd()
            let beats = swarm.heartBeatsReceived
            try swarm.check()
            await swarm.stop()
            Console.print("ended \(beats)")
            return 0
        } catch {
            Console.print("failed \(error)")
            return 1
        }
    }
}
