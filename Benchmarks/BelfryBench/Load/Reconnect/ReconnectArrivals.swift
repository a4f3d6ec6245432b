import Synchronization

/// What the sessions of `reconnect` receive: how many, when the last, and whether they are the right ones.
final class ReconnectArrivals: Sendable {
    private let count = Atomic<Int>(0)
    private let numbers = Atomic<Int>(0)
    private let strangers = Atomic<Int>(0)
    private let completedAt = Atomic<UInt64>(0)

    /// Takes a message; on the swarm's thread.
    func received(_ user: Int, _ body: UnsafeRawBufferPointer, _ nanoseconds: UInt64) {
        guard let number = MessageBatch.number(in: body), number % ReconnectBacklog.users == user else {
            strangers.add(1, ordering: .relaxed)
            return
        }
        numbers.add(number, ordering: .relaxed)
        guard count.add(1, ordering: .relaxed).newValue == ReconnectBacklog.count else { return }
        completedAt.store(nanoseconds, ordering: .releasing)
    }

    /// When the last message arrived; nil before.
    var completion: UInt64? {
        let value = completedAt.load(ordering: .acquiring)
        return value == 0 ? nil : value
    }

    /// - Parameter counts: the messages of each connection.
    /// - Throws: `BenchmarkError` unless every user got each of theirs once.
    func check(_ counts: [Int]) throws {
        let total = ReconnectBacklog.count
        guard strangers.load(ordering: .relaxed) == 0 else {
            throw BenchmarkError("A session got another user's message.")
        }
        guard counts.allSatisfy({ $0 == ReconnectBacklog.messagesEach }),
            numbers.load(ordering: .relaxed) == total * (total - 1) / 2
        else { throw BenchmarkError("Not every session got each of its messages once.") }
    }
}
