import Glibc
import Synchronization

/// What writers and receivers of one contender share: how many messages were begun, how many arrived.
///
/// The loop is closed: writers pause while `undeliveredMax` messages are on their way, so that a rate that the
/// receivers can't keep up with never looks sustained.
final class MessageFlow: Sendable {
    private let undeliveredMax: Int
    private let begun = Atomic<Int>(0)
    private let written = Atomic<Int>(0)
    private let arrivedCount = Atomic<Int>(0)
    private let arrivedSum = Atomic<Int>(0)
    private let uncommitted = Atomic<Int>(0)
    private let stopping = Atomic<Bool>(false)
    private let failure = Mutex<String?>(nil)

    init(undeliveredMax: Int) { self.undeliveredMax = undeliveredMax }

    /// Messages that their writer has committed, or RabbitMQ has confirmed or is about to.
    var writtenCount: Int { written.load(ordering: .relaxed) }
    /// Messages that reached their session and were acknowledged.
    var deliveredCount: Int { arrivedCount.load(ordering: .relaxed) }
    /// Whether the writers are to end.
    var isStopping: Bool { stopping.load(ordering: .relaxed) }

    /// Lets the writers begin, or end.
    func setStopping(_ isStopping: Bool) { stopping.store(isStopping, ordering: .relaxed) }

    /// The number of the first of `count` messages that a writer may write now; waits for room.
    ///
    /// - Returns: nil when the writers are to end.
    func next(_ count: Int) -> Int? {
        while !isStopping {
            let first = begun.load(ordering: .relaxed)
            guard first + count - deliveredCount <= undeliveredMax,
                uncommitted.load(ordering: .relaxed) <= 2 * undeliveredMax
            else {
                usleep(500)
                continue
            }
            if begun.compareExchange(expected: first, desired: first + count, ordering: .relaxed).exchanged {
                return first
            }
        }
        return nil
    }

    /// What a count in the store found: messages that were not committed as delivered. Writers pause while they
    /// are twice as many as may be on their way, as those that wait for their mark's commit count among them.
    func found(uncommitted count: Int) { uncommitted.store(count, ordering: .relaxed) }

    /// A writer's batch is durable.
    func wrote(_ count: Int) { written.add(count, ordering: .relaxed) }

    /// Messages arrived, with the sum of their numbers.
    func arrived(_ count: Int, sum: Int) {
        arrivedSum.add(sum, ordering: .relaxed)
        arrivedCount.add(count, ordering: .relaxed)
    }

    /// A session got what nobody wrote to it: the first such finding ends the run.
    func fail(_ what: String) {
        failure.withLock { $0 = $0 ?? what }
        setStopping(true)
    }

    /// Waits until everything written has arrived.
    ///
    /// - Throws: `BenchmarkError` when it has not after `seconds`, or when what arrived isn't what was written.
    func waitUntilDelivered(seconds: Double) async throws {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while deliveredCount < writtenCount, ContinuousClock.now < deadline {
            try await Task.sleep(for: .milliseconds(1))
        }
        if let failure = failure.withLock({ $0 }) { throw BenchmarkError(failure) }
        let count = writtenCount
        guard deliveredCount == count else {
            throw BenchmarkError("\(count) messages were written, but \(deliveredCount) arrived.")
        }
        guard arrivedSum.load(ordering: .relaxed) == count * (count - 1) / 2 else {
            throw BenchmarkError("As many messages arrived as were written, but not the same ones.")
        }
    }
}
