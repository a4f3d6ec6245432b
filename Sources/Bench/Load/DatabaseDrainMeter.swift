import Floors
import Foundation
import Synchronization

/// Tells how fast messages are published, by Redis' own count of PUBLISH commands: nothing that subscribes is then a
/// limit, and asking 500 times a second costs Redis about a hundredth of its time.
struct DatabaseDrainMeter: Sendable {
    private let redis: BareRedis

    init(redisURL: String) throws { redis = try BareRedis(url: redisURL) }

    /// PUBLISH commands since Redis began to count.
    func publishes() throws -> Int {
        let text = try redis.text(["INFO", "commandstats"])
        guard let start = text.range(of: "cmdstat_publish:calls=") else { return 0 }
        return Int(text[start.upperBound...].prefix { $0.isNumber }) ?? 0
    }

    /// Waits until Redis has counted `total` publishes.
    func wait(for total: Int) async throws {
        let deadline = ContinuousClock.now + .seconds(20)
        while try publishes() < total {
            guard ContinuousClock.now < deadline else { throw BenchError("Messages were not published within 20 s.") }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Messages a second from the first look that finds more than `before` publishes to the one that finds `count` more.
    ///
    /// The clock starts with the first publish and not with the relay's process. More publishes than `count` are an error.
    func drain(_ count: Int, after before: Int) async throws -> Double {
        try await DatabaseThread.run {
            var first: (count: Int, time: Int64)?
            var last = (count: 0, time: BareClock.nanoseconds)
            while last.count < count {
                BareClock.sleep(until: BareClock.nanoseconds + 2_000_000)
                let now = (count: try publishes() - before, time: BareClock.nanoseconds)
                if first == nil, now.count > 0 { first = now }
                if now.count > last.count { last = now }
                guard now.time - last.time < 20_000_000_000 else {
                    throw BenchError("Of \(count) messages \(last.count) were published, and no more for 20 s.")
                }
            }
            BareClock.sleep(until: BareClock.nanoseconds + 20_000_000)
            let total = try publishes() - before
            guard total == count else { throw BenchError("\(total) messages were published instead of \(count).") }
            guard let first, last.time > first.time else {
                throw BenchError("\(count) messages were published at one look: too few to tell a rate.")
            }
            return Double(last.count - first.count) * 1e9 / Double(last.time - first.time)
        }
    }
}

/// Counts and checks what is published to a few channels, of which each message has a number of its own.
final class DatabaseSample: Sendable {
    private let counts = Mutex<(right: Int, wrong: Int)>((0, 0))

    /// A message's bytes. Called by any thread.
    func took(_ bytes: UnsafeBufferPointer<CChar>) {
        let isRight = DatabaseText.number(in: UnsafeRawBufferPointer(bytes)) != nil
        counts.withLock { if isRight { $0.right += 1 } else { $0.wrong += 1 } }
    }

    /// Throws unless `count` messages have come and all were right.
    func check(_ count: Int) throws {
        let counts = counts.withLock { $0 }
        guard counts.right == count, counts.wrong == 0 else {
            throw BenchError(
                "A subscriber got \(counts.right) right and \(counts.wrong) wrong messages instead of \(count).")
        }
    }
}
