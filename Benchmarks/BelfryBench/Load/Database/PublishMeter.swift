import Floors
import Foundation

/// Tells how fast messages are published, by Redis' own count of PUBLISH commands: nothing that subscribes is then a
/// limit, and asking 500 times a second costs Redis about a hundredth of its time.
struct PublishMeter: Sendable {
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
            guard ContinuousClock.now < deadline else {
                throw BenchmarkError("Messages were not published within 20 s.")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    /// Messages a second from the first reading that is above `before` publishes to the one that is `count` above.
    ///
    /// The clock starts with the first publish and not with the relay's process. More publishes than `count` are an
    /// error.
    func drain(_ count: Int, after before: Int) async throws -> Double {
        try await onOwnThread {
            var first: (count: Int, time: Int64)?
            var last = (count: 0, time: BareClock.nanoseconds)
            while last.count < count {
                BareClock.sleep(until: BareClock.nanoseconds + 2_000_000)
                let now = (count: try publishes() - before, time: BareClock.nanoseconds)
                if first == nil, now.count > 0 { first = now }
                if now.count > last.count { last = now }
                guard now.time - last.time < 20_000_000_000 else {
                    throw BenchmarkError("Of \(count) messages \(last.count) were published, and no more for 20 s.")
                }
            }
            BareClock.sleep(until: BareClock.nanoseconds + 20_000_000)
            let total = try publishes() - before
            guard total == count else { throw BenchmarkError("\(total) messages were published instead of \(count).") }
            guard let first, last.time > first.time else {
                throw BenchmarkError("\(count) messages were published between two readings: too few to tell a rate.")
            }
            return Double(last.count - first.count) * 1e9 / Double(last.time - first.time)
        }
    }
}
