/// Publishes as fast as the receivers take it: keeps a number of deliveries under way, and no more (a closed loop).
struct SaturatingLoad: Sendable {
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

    /// Publishes to `publisher` on a thread of its own and counts what the swarm receives.
    ///
    /// - Parameter firstNumber: the messages' numbers go up from it.
    /// - Throws: when not every message arrived at everybody.
    func run(_ publisher: any MessagePublisher & Sendable, _ swarm: Swarm, firstNumber: Int) async throws -> Rate {
        let base = swarm.received
        let rate = try await onOwnThread {
            try publish(publisher, swarm, firstNumber: firstNumber, base: base)
        }
        try await swarm.wait(forReceived: base + rate.published * fanOut, seconds: 10)
        try await Task.sleep(for: .milliseconds(20))
        guard swarm.received == base + rate.published * fanOut else {
            throw LoadError("\(swarm.received - base) deliveries of \(rate.published * fanOut): some came twice.")
        }
        return rate
    }

    private func publish(
        _ publisher: any MessagePublisher, _ swarm: Swarm, firstNumber: Int, base: Int
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
                try publisher.awaitAnswers(leaving: 0)
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
                publisher.add(random.pick(receivers), number: firstNumber + published, payload: payload.bytes)
                published += 1
            }
            try publisher.flush()
            try publisher.awaitAnswers(leaving: 4 * batch)
        }
    }
}
