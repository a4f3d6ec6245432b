import Floors
import Foundation

/// Writers that commit single rows at scheduled times, however long a commit takes (an open loop).
struct ScheduledWriters: Sendable {
    let postgresURL: String
    let database: String?
    /// The INSERT of one row.
    let statement: String
    /// Its parameters for a message's number.
    let values: @Sendable (Int) -> [String]

    /// Up to this rate one connection is enough; a faster schedule is shared by more.
    private static let ratePerWriter = 1_000

    /// Sends the messages of these numbers at `rate` a second, each noted in `log` just before its INSERT.
    ///
    /// - Returns: seconds of processor time of the writers' threads.
    func run(_ numbers: Range<Int>, rate: Int, _ log: LatencyLog) async throws -> Double {
        let writers = max(1, rate / Self.ratePerWriter)
        return try await withThrowingTaskGroup(of: Double.self) { group in
            let start = BareClock.nanoseconds + 50_000_000
            for writer in 0..<writers {
                group.addTask {
                    try await onOwnThread {
                        try write(numbers.dropFirst(writer), every: writers, rate, start, log, from: numbers.lowerBound)
                    }
                }
            }
            return try await group.reduce(0, +)
        }
    }

    private func write(
        _ numbers: Range<Int>, every step: Int, _ rate: Int, _ start: Int64, _ log: LatencyLog, from first: Int
    ) throws -> Double {
        let connection = try BareConnection(url: postgresURL, database: database)
        try connection.prepare("write", statement)
        let cpu = BareClock.threadNanoseconds
        for number in stride(from: numbers.lowerBound, to: numbers.upperBound, by: step) {
            let parameters = values(number)
            BareClock.sleep(until: start + Int64(number - first) * 1_000_000_000 / Int64(rate))
            log.willSend(number)
            try connection.execute(prepared: "write", parameters)
            log.didSend(number)
        }
        return Double(BareClock.threadNanoseconds - cpu) / 1e9
    }
}
