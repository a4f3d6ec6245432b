import Bus
import DequeModule

/// Matches the answers of pipelined PUBLISH commands with the batches they belong to.
///
/// `Waiter` is whoever is told of a batch's end.
struct PublisherMachine<Waiter>: ~Copyable {
    enum Action {
        case none
        case finish(Waiter, BusError?)
        case close(BusError)
    }

    private struct Batch {
        let waiter: Waiter
        var unanswered: Int
        var error: BusError?
    }

    private var batches = Deque<Batch>()

    /// Whether answers are outstanding.
    var isAwaiting: Bool { !batches.isEmpty }

    /// A batch of `count` commands, at least one, was written.
    mutating func batchSent(count: Int, waiter: Waiter) {
        batches.append(Batch(waiter: waiter, unanswered: count))
    }

    mutating func valueReceived(_ value: RESPValue) -> Action {
        switch value {
        case .integer: return answered(with: nil)
        case .error(let text):
            let code: BusError.Code = text.isTransient ? .unavailable : .refused
            return answered(with: BusError(code, "Redis refused to publish: \(text)"))
        case .simpleString:
            // PONG: PUBLISH is never answered with a simple string.
            return .none
        case .bulkString, .null, .array:
            return .close(BusError(.protocolViolation, "Redis answered PUBLISH with something that is not a number."))
        }
    }

    /// The connection ended: whoever still waits.
    mutating func disconnected() -> [Waiter] {
        let waiters = batches.map(\.waiter)
        batches.removeAll()
        return waiters
    }

    private mutating func answered(with error: BusError?) -> Action {
        guard !batches.isEmpty else {
            return .close(error ?? BusError(.protocolViolation, "Redis sent an answer without a command."))
        }
        batches[0].unanswered -= 1
        batches[0].error = batches[0].error ?? error
        guard batches[0].unanswered <= 0 else { return .none }
        let batch = batches.removeFirst()
        return .finish(batch.waiter, batch.error)
    }
}
