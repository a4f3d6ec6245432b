import Synchronization

/// Counts and checks what is published to a few channels, of which each message has a number of its own.
final class SubscriberSample: Sendable {
    private let counts = Mutex<(right: Int, wrong: Int)>((0, 0))

    /// A message's bytes. Called by any thread.
    func took(_ bytes: UnsafeBufferPointer<CChar>) {
        let isRight = MessageText.number(in: UnsafeRawBufferPointer(bytes)) != nil
        counts.withLock { if isRight { $0.right += 1 } else { $0.wrong += 1 } }
    }

    /// Throws unless `count` messages have come and all were right.
    func check(_ count: Int) throws {
        let counts = counts.withLock { $0 }
        guard counts.right == count, counts.wrong == 0 else {
            throw BenchmarkError(
                "A subscriber got \(counts.right) right and \(counts.wrong) wrong messages instead of \(count).")
        }
    }
}
