/// Publishes at a fixed rate whatever the receivers do (an open loop).
struct PacedLoad: Sendable {
    /// Messages are sent in groups that are due within this time.
    private static let tickNanoseconds: UInt64 = 250_000
    /// One that goes out later than this after it was due is timed from when it was due.
    private static let lateNanoseconds: UInt64 = 2_000_000
    /// Unanswered messages above which the publisher waits.
    private static let unansweredMax = 512

    /// Messages a second.
    let rate: Double
    let seconds: Double
    let receivers: Range<Int>
    let bodyBytes: Int

    /// What became of the pace.
    struct Outcome: Sendable {
        let published: Int
        /// Messages that went out over two milliseconds late.
        let late: Int
    }

    /// Publishes to random receivers on a thread of its own; waits until all has arrived.
    func run(_ publisher: any MessagePublisher & Sendable, _ swarm: Swarm, firstNumber: Int) async throws -> Outcome {
        let base = swarm.received
        let outcome = try await onOwnThread { try publish(publisher, firstNumber: firstNumber) }
        try await swarm.wait(forReceived: base + outcome.published, seconds: 10)
        return outcome
    }

    /// Publishes on this thread, and does not wait for what it publishes to arrive.
    func publish(_ publisher: any MessagePublisher, firstNumber: Int) throws -> Outcome {
        usePreciseTimers()
        var random = SplitMix(state: UInt64(firstNumber) &+ 7)
        var payload = Payload(length: bodyBytes)
        var (published, late) = (0, 0)
        let start = MonotonicClock.nanoseconds
        let total = Int(rate * seconds)
        var tick: UInt64 = 0
        while published < total {
            tick += 1
            MonotonicClock.sleep(until: start + tick * Self.tickNanoseconds)
            let now = MonotonicClock.nanoseconds
            let due = min(total, Int(Double(now - start) / 1e9 * rate))
            guard due > published else { continue }
            while published < due {
                let dueAt = start + UInt64(Double(published) / rate * 1e9)
                let isLate = now > dueAt + Self.lateNanoseconds
                if isLate { late += 1 }
                payload.stamp(number: firstNumber + published, nanoseconds: isLate ? dueAt : now)
                publisher.add(random.pick(receivers), number: firstNumber + published, payload: payload.bytes)
                published += 1
            }
            try publisher.flush()
            try publisher.awaitAnswers(leaving: Self.unansweredMax)
            tick = max(tick, (MonotonicClock.nanoseconds - start) / Self.tickNanoseconds)
        }
        try publisher.awaitAnswers(leaving: 0)
        return Outcome(published: published, late: late)
    }
}
