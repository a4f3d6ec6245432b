import Floors
import Synchronization

/// Connections that send one batch of messages after another, each waiting for the answer to the one before: into
/// PostgreSQL, or by a node's API.
struct SendingLoad: Sendable {
    /// What some seconds of sending showed.
    struct Run: Sendable {
        /// Messages a second.
        let rate: Double
        /// Of the batches, in microseconds.
        let latencies: LatencySummary
        /// Messages in all, those before the measured time included.
        let messages: Int
    }

    /// Users that the messages go to, at random.
    static let names = (0..<10_000).map { Array("user-\($0)".utf8) }

    let connections: Int
    /// Messages in a batch.
    let batchRows: Int
    let warmUpSeconds: Double
    let seconds: Double

    /// Sends for as long as it says; every message has a number of its own.
    ///
    /// - Parameters:
    ///   - open: connects, on the connection's thread.
    ///   - atEnd: called when all has been answered and the connections are still open: what PostgreSQL's processes
    ///     have used is told while they live.
    func run(
        _ open: @escaping @Sendable () throws -> DurableWriters.Writer, atEnd: () throws -> Void = {}
    ) async throws -> Run {
        let next = Number()
        let sent = try await withThrowingTaskGroup(of: Sent.self) { group in
            for seed in 0..<connections {
                group.addTask { try await onOwnThread { try send(seed, next, open) } }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        try withExtendedLifetime(sent) { try atEnd() }
        let began = sent.map(\.began).min() ?? 0
        let ended = sent.map(\.ended).max() ?? 0
        let samples = sent.flatMap(\.samples)
        guard ended > began, !samples.isEmpty else { throw LoadError("No batch was sent within the measured time.") }
        return Run(
            rate: Double(samples.count * batchRows) / (Double(ended - began) / 1e9),
            latencies: LatencySummary(samples), messages: next.value.load(ordering: .relaxed))
    }

    /// What one connection did within the measured time.
    ///
    /// Unchecked: nobody uses the writer any more, which is only kept open.
    private struct Sent: @unchecked Sendable {
        let writer: DurableWriters.Writer
        var began: Int64 = 0
        var ended: Int64 = 0
        var samples: [Double] = []
    }

    /// The number of the next message.
    private final class Number: Sendable {
        let value = Atomic<Int>(0)
    }

    private func send(
        _ seed: Int, _ next: Number, _ open: () throws -> DurableWriters.Writer
    ) throws -> Sent {
        let writer = try open()
        var batch = MessageBatch(names: Self.names, seed: seed)
        let from = BareClock.nanoseconds + Int64(warmUpSeconds * 1e9)
        let until = from + Int64(seconds * 1e9)
        var sent = Sent(writer: writer)
        while true {
            batch.fill(first: next.value.add(batchRows, ordering: .relaxed).oldValue, count: batchRows)
            let began = BareClock.nanoseconds
            try writer.write(batch)
            let ended = BareClock.nanoseconds
            if began >= from {
                if sent.samples.isEmpty { sent.began = began }
                sent.samples.append(Double(ended - began) / 1e3)
                sent.ended = ended
            }
            if ended >= until, !sent.samples.isEmpty { break }
        }
        try writer.finish()
        return sent
    }
}

extension DurableWriters.Writer {
    /// A writer by the API of a node: a request a batch.
    ///
    /// - Parameter inLines: as NDJSON, which the node writes 500 messages a transaction.
    static func api(port: Int, inLines: Bool) throws -> DurableWriters.Writer {
        let connection = try APIConnection(port: port, user: "sender")
        return DurableWriters.Writer(
            write: { batch in
                let answer = try connection.post(
                    "/api/v1/messages", type: inLines ? "application/x-ndjson" : "application/json",
                    inLines ? batch.lines : batch.json, expecting: 202)
                let ids = answer.reduce(0) { $0 + ($1 == UInt8(ascii: ",") ? 1 : 0) } + 1
                guard ids == batch.count else { throw BenchmarkError("\(ids) of \(batch.count) messages have ids.") }
            }, finish: {})
    }
}
