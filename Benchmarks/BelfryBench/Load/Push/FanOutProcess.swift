import Floors
import Foundation

/// A `BareFanOut` in a process of its own: its sockets and its clients' together are more than one process may open.
final class FanOutProcess: Sendable {
    /// What this program's first argument is when it is to be such a process.
    static let argument = "fan-out"

    /// Where it listens on 127.0.0.1.
    let port: Int
    private let worker: WorkerProcess

    private init(_ worker: WorkerProcess, port: Int) {
        self.worker = worker
        self.port = port
    }

    /// Starts `belfry-bench fan-out` and returns once it listens.
    ///
    /// - Parameter program: the path of `belfry-bench`; nil for this process's own.
    static func start(program: URL? = nil) async throws -> FanOutProcess {
        let worker = try WorkerProcess([argument], program: program)
        let line = await worker.nextLine() ?? "nothing"
        guard line.hasPrefix("ready "), let port = Int(line.dropFirst(6)) else {
            await worker.end()
            throw LoadError("The bare fan-out said: \(line)")
        }
        return FanOutProcess(worker, port: port)
    }

    /// In the child: serves until the parent ends it. Prints `ready <port>` once it listens.
    ///
    /// - Returns: the exit status; a failure is a sentence on standard output.
    static func main() async -> Int32 {
        DescriptorLimit.raise()
        do {
            let server = try await BareFanOut.start()
            Console.print("ready \(server.port)")
            await WorkerProcess.waitForEnd()
            await server.stop()
            return 0
        } catch {
            Console.print("failed \(error)")
            return 1
        }
    }

    /// What it has used so far; nil when it has ended.
    var usage: ServerUsage? { ServerUsage(of: [worker.processIdentifier]) }

    /// Ends it.
    func stop() async { await worker.end() }
}
