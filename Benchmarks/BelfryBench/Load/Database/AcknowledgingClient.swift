import Dispatch
import Foundation
import Synchronization

/// A client on a thread of its own: one session that acknowledges each message and notes it in a latency log.
final class AcknowledgingClient: Sendable {
    private let socket: STOMPClient
    private let isStopping = Atomic<Bool>(false)
    private let failure = Mutex<(any Error)?>(nil)
    private let ended = DispatchSemaphore(value: 0)

    /// Connects as `user`, subscribes to its queue with individual acknowledgements, and begins to read.
    init(port: Int, user: String, _ log: LatencyLog) throws {
        let socket = try STOMPClient(port: port, user: user)
        try socket.subscribe("/user/queue/msg", ack: "client-individual")
        self.socket = socket
        Thread.detachNewThread { [self] in
            do {
                while true { try socket.acknowledgeNext(log.arrived) }
            } catch {
                if !isStopping.load(ordering: .relaxed) { failure.withLock { $0 = error } }
            }
            ended.signal()
        }
    }

    /// Ends the session, waits for its thread, and throws what it failed of.
    func stop() throws {
        isStopping.store(true, ordering: .relaxed)
        socket.interrupt()
        ended.wait()
        if let error = failure.withLock({ $0 }) { throw error }
    }
}
