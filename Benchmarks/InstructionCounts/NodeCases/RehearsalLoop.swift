import Dispatch
import NIOConcurrencyHelpers
import NIOCore
import NIOEmbedded

/// An event loop that runs on the caller's thread when it is told to, and whose clock stands still: what a real one
/// adds depends on time and the kernel.
///
/// A task costs about what it costs on a real loop, a place in a locked list; NIO's embedded one, which serves timers
/// and promises here, makes a timer of it.
final class RehearsalLoop: EventLoop, @unchecked Sendable {
    /// The loop of the channels.
    let embedded = EmbeddedEventLoop()
    private let tasks = NIOLockedValueBox<[@Sendable () -> Void]>([])

    /// Runs what was submitted, and what that submits.
    func run() {
        while true {
            let now = tasks.withLockedValue { tasks in
                defer { tasks.removeAll(keepingCapacity: true) }
                return tasks
            }
            guard !now.isEmpty else { return }
            for task in now { task() }
        }
    }

    var inEventLoop: Bool { true }

    func execute(_ task: @escaping @Sendable () -> Void) {
        tasks.withLockedValue { $0.append(task) }
    }

    @discardableResult
    func scheduleTask<Value>(
        deadline: NIODeadline, _ task: @escaping @Sendable () throws -> Value
    ) -> Scheduled<Value> {
        embedded.scheduleTask(deadline: deadline, task)
    }

    @discardableResult
    func scheduleTask<Value>(
        in delay: TimeAmount, _ task: @escaping @Sendable () throws -> Value
    ) -> Scheduled<Value> {
        embedded.scheduleTask(in: delay, task)
    }

    func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) {
        queue.async { callback(nil) }
    }
}
