import Floors
import Glibc
import Synchronization

/// When each numbered message was sent and when it came, written by two threads without a lock: one writes `sent`, the
/// other the rest, and both are read when as many have come as were sent.
final class LatencyLog: @unchecked Sendable {
    private let capacity: Int
    private let sent: UnsafeMutablePointer<Int64>
    private let committed: UnsafeMutablePointer<Int64>
    private let received: UnsafeMutablePointer<Int64>
    private let arrivals = Atomic<Int>(0)
    private let faults = Atomic<Int>(0)

    /// - Parameter capacity: numbers 0 ..< capacity are taken.
    init(capacity: Int) {
        self.capacity = capacity
        sent = .allocate(capacity: capacity)
        committed = .allocate(capacity: capacity)
        received = .allocate(capacity: capacity)
        sent.initialize(repeating: 0, count: capacity)
        committed.initialize(repeating: 0, count: capacity)
        received.initialize(repeating: 0, count: capacity)
    }

    deinit {
        sent.deallocate()
        committed.deallocate()
        received.deallocate()
    }

    /// The writer is about to send a message.
    func willSend(_ number: Int) { sent[number] = BareClock.nanoseconds }

    /// The message's INSERT has committed.
    func didSend(_ number: Int) { committed[number] = BareClock.nanoseconds }

    /// A body was read at `time`. One that is not as it was sent, or came before, is a fault.
    func arrived(_ bytes: UnsafeRawBufferPointer, at time: Int64) {
        guard let number = MessageText.number(in: bytes), number < capacity, received[number] == 0 else {
            faults.wrappingAdd(1, ordering: .relaxed)
            return
        }
        received[number] = time
        arrivals.wrappingAdd(1, ordering: .releasing)
    }

    /// Waits until `count` messages have come in all.
    func wait(for count: Int) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while arrivals.load(ordering: .acquiring) < count {
            guard ContinuousClock.now < deadline else {
                throw BenchmarkError(
                    "Of \(count) messages \(count - arrivals.load(ordering: .relaxed)) did not arrive.")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
        let faults = faults.load(ordering: .relaxed)
        guard faults == 0 else { throw BenchmarkError("\(faults) messages came twice or were not what was sent.") }
    }

    /// The latencies of a range of numbers that have all come, in microseconds.
    func microseconds(_ numbers: Range<Int>) -> [Double] {
        numbers.map { Double(received[$0] - sent[$0]) / 1_000 }
    }

    /// How long the INSERTs of a range took, in microseconds.
    func insertMicroseconds(_ numbers: Range<Int>) -> [Double] {
        numbers.map { Double(committed[$0] - sent[$0]) / 1_000 }
    }

    /// The latencies of a range up to its arrivals in another log, in microseconds.
    func microseconds(_ numbers: Range<Int>, until other: LatencyLog) -> [Double] {
        numbers.map { Double(other.received[$0] - sent[$0]) / 1_000 }
    }

    /// What came of a range a second, from the first sending to the last arrival.
    func rate(_ numbers: Range<Int>) -> Double {
        let first = numbers.map { sent[$0] }.min() ?? 0
        let last = numbers.map { received[$0] }.max() ?? 0
        return last > first ? Double(numbers.count) * 1e9 / Double(last - first) : 0
    }
}
