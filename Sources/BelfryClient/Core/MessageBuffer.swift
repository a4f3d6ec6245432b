import NIOCore
import STOMP
import Synchronization

/// A message as it lies in a buffer.
struct BufferedMessage: Sendable {
    let frame: Frame
    let delivery: DeliveryReference
    /// That it counts for, with its headers.
    let bytes: Int

    init(_ frame: Frame, _ delivery: DeliveryReference) {
        var frame = frame
        // A few bytes must not keep all that came by the same read.
        frame.body.releaseSpareStorage()
        bytes = frame.headers.reduce(frame.body.readableBytes) { $0 + $1.name.utf8.count + $1.value.utf8.count }
        self.frame = frame
        self.delivery = delivery
    }
}

/// Where a subscription's messages wait for the task that takes them: filled on the event loop, emptied by the task.
final class MessageBuffer: Sendable {
    private typealias Waiter = CheckedContinuation<BufferedMessage?, any Error>

    private let machine = Mutex(MessageBufferMachine<BufferedMessage, Waiter>())
    private let budget: ReadingBudget

    init(budget: ReadingBudget) {
        self.budget = budget
    }

    func receive(_ message: BufferedMessage) {
        let waiter = machine.withLock { machine in
            let waiter = machine.received(message)
            // Before another thread can take it.
            if waiter == nil { budget.buffered(bytes: message.bytes) }
            return waiter
        }
        waiter?.resume(returning: message)
    }

    /// The next message; `nil` at the end.
    ///
    /// - Throws: why there are no more, once; `CancellationError` when the task was cancelled.
    func next(isolation: isolated (any Actor)? = #isolation) async throws -> BufferedMessage? {
        let message = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation(isolation: isolation) { (waiter: Waiter) in
                switch machine.withLock({ $0.next(waiter) }) {
                case .take(let message):
                    budget.taken(messages: 1, bytes: message.bytes)
                    waiter.resume(returning: message)
                case .wait: break
                case .end(let error?): waiter.resume(throwing: error)
                case .end(nil): waiter.resume(returning: nil)
                case .refuse:
                    waiter.resume(
                        throwing: BelfryClientError(
                            .alreadyRun, "Two tasks take messages from one iterator; make an iterator for each."))
                }
            }
        } onCancel: {
            cancel()
        }
        if message == nil { try Task.checkCancellation() }
        return message
    }

    /// No more will come; what came before is still handed over.
    func finish(_ error: (any Error)?) {
        let waiter = machine.withLock { $0.finished(error) }
        if let error { waiter?.resume(throwing: error) } else { waiter?.resume(returning: nil) }
    }

    /// Nobody wants messages any more.
    func cancel() {
        let (waiter, dropped) = machine.withLock { $0.cancelled() }
        budget.taken(messages: dropped.count, bytes: dropped.reduce(0) { $0 + $1.bytes })
        waiter?.resume(returning: nil)
    }
}
