import Synchronization

/// What the clients of a `TransportSwarm` have received. Written by its one event loop.
///
/// Unchecked: the samples are read when none are under way.
final class TransportTally: @unchecked Sendable {
    private let count = Atomic<Int>(0)
    private let lost = Atomic<Int>(0)
    private var samples: [Double] = []

    /// Messages so far.
    var received: Int { count.load(ordering: .acquiring) }

    /// Connections that have ended so far.
    var ended: Int { lost.load(ordering: .acquiring) }

    /// A message has arrived; both times are `MonotonicClock`'s.
    func received(sent: UInt64, now: UInt64) {
        samples.append(Double(now - min(sent, now)) / 1_000)
        count.add(1, ordering: .releasing)
    }

    /// A connection has ended.
    func closed() { lost.add(1, ordering: .releasing) }

    /// The latencies since the last call in microseconds.
    func takeSamples() -> [Double] {
        defer { samples = [] }
        return samples
    }
}
