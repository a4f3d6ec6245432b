import Dispatch
import Foundation
import NIOConcurrencyHelpers
import NIOCore
import NIOEmbedded

/// An event loop that runs on the fuzzer's thread when it is told to. What comes from other threads, as the answer of a
/// task does, waits for that.
final class FuzzLoop: EventLoop, @unchecked Sendable {
    /// The loop of the channels and of the timers.
    let embedded = EmbeddedEventLoop()
    private let thread = Thread.current
    private let tasks = NIOLockedValueBox<[@Sendable () -> Void]>([])

    /// Runs what was submitted, and what that submits.
    func run() {
        while true {
            let now = tasks.withLockedValue { exchange(&$0, with: []) }
            guard !now.isEmpty else { return embedded.run() }
            for task in now { task() }
        }
    }

    var inEventLoop: Bool { Thread.current === thread }

    func execute(_ task: @escaping @Sendable () -> Void) { tasks.withLockedValue { $0.append(task) } }

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
