import Foundation
import Glibc

/// Publishes as fast as the receivers take it: keeps a number of deliveries under way, and no more.
struct SaturatedFeed: Sendable {
    /// What it found.
    struct Rate: Sendable {
        /// Deliveries a second, in the measured time.
        let perSecond: Double
        /// Messages published in all.
        let published: Int
    }

    /// Sessions that each message goes to.
    let fanOut: Int
    /// Who may be picked as the receiver of a message, by number.
    let receivers: Range<Int>
    /// Deliveries that may be under way.
    let window: Int
    /// Messages sent in one write.
    let batch: Int
    let bodyBytes: Int
    var warmUpSeconds = 0.5
    var seconds = 2.0

    /// Publishes to `feed` on a thread of its own and counts what the swarm receives.
    ///
    /// - Parameter firstNumber: the messages' numbers go up from it.
    /// - Throws: when not every message arrived at everybody.
    func run(_ feed: any MessageFeed & Sendable, _ swarm: Swarm, firstNumber: Int) async throws -> Rate {
        let base = swarm.received
        let rate = try await onOwnThread {
            try publish(feed, swarm, firstNumber: firstNumber, base: base)
        }
        try await swarm.wait(forReceived: base + rate.published * fanOut, seconds: 10)
        try await Task.sleep(for: .milliseconds(20))
        guard swarm.received == base + rate.published * fanOut else {
            throw LoadError("\(swarm.received - base) deliveries of \(rate.published * fanOut): some came twice.")
        }
        return rate
    }

    private func publish(
        _ feed: any MessageFeed, _ swarm: Swarm, firstNumber: Int, base: Int
    ) throws -> Rate {
        usePreciseTimers()
        var random = SplitMix(state: UInt64(firstNumber) &+ 1)
        var payload = Payload(length: bodyBytes)
        var published = 0
        let measuredFrom = MonotonicClock.nanoseconds + UInt64(warmUpSeconds * 1e9)
        let until = measuredFrom + UInt64(seconds * 1e9)
        var mark: (time: UInt64, received: Int)?
        while true {
            let now = MonotonicClock.nanoseconds
            let received = swarm.received
            if mark == nil, now >= measuredFrom { mark = (now, received) }
            if now >= until, let mark {
                try feed.settle(to: 0)
                let rate = Double(received - mark.received) / (Double(now - mark.time) / 1e9)
                return Rate(perSecond: rate, published: published)
            }
            guard published * fanOut - (received - base) + batch * fanOut <= window else {
                MonotonicClock.sleep(until: now + 100_000)
                if published & 63 == 0 { try swarm.check() }
                continue
            }
            for _ in 0..<batch {
                payload.stamp(number: firstNumber + published, nanoseconds: now)
                feed.add(random.pick(receivers), number: firstNumber + published, payload: payload.bytes)
                published += 1
            }
            try feed.flush()
            try feed.settle(to: 4 * batch)
        }
    }
}

/// Runs blocking work on a thread of its own.
func onOwnThread<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<R, any Error>) in
        Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
    }
}

/// A generator of evenly spread numbers, the same in every run.
struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var value = state
        value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
        value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
        return value ^ (value >> 31)
    }

    /// One of a range.
    mutating func pick(_ range: Range<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(max(1, range.count)))
    }
}
