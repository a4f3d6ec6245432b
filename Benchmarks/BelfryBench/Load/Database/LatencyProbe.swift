import Floors
import Foundation

/// Measures the latency of one contender from end to end: writers on a schedule, and the log that its receiver notes
/// arrivals in.
final class LatencyProbe {
    let name: String
    private let writers: ScheduledWriters
    let log: LatencyLog
    private var next = 0

    /// - Parameter log: large enough for all messages of all runs; numbers are not used twice.
    init(_ name: String, _ writers: ScheduledWriters, _ log: LatencyLog) {
        self.name = name
        self.writers = writers
        self.log = log
    }

    /// What one run showed.
    struct Run {
        let numbers: Range<Int>
        let latency: LatencySummary
        /// How long the INSERTs took.
        let insert: LatencySummary
        /// Messages a second from the first INSERT to the last arrival: near the schedule's rate, unless that was too
        /// much.
        let rate: Double
    }

    /// Sends `rate` messages a second for some seconds, and waits until all have come; latencies in microseconds.
    func run(rate: Int, seconds: Double) async throws -> Run {
        let numbers = next..<(next + Int(Double(rate) * seconds))
        next = numbers.upperBound
        _ = try await writers.run(numbers, rate: rate, log)
        try await log.wait(for: next)
        return Run(
            numbers: numbers, latency: LatencySummary(log.microseconds(numbers)),
            insert: LatencySummary(log.insertMicroseconds(numbers)), rate: log.rate(numbers))
    }
}
