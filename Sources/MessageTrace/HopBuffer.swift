import BelfryModel

/// Hops of one process on their way to PostgreSQL. Bounded: what finds no place is counted and dropped, as no message
/// waits for its trace. Pure.
struct HopBuffer {
    /// Hops that wait; some 200 bytes each.
    static let hopsMax = 10_000
    /// Slow messages of one process that are begun to be traced in a second. They are examples: where everything is
    /// slow, nothing is learnt from more of them.
    static let slowPerSecondMax = 50

    private var hops: [Hop] = []
    private var slowLeft = Self.slowPerSecondMax
    private var slowSince: ContinuousClock.Instant
    /// Hops that were dropped since they were asked for last.
    private var dropped = 0

    init(now: ContinuousClock.Instant) { slowSince = now }

    /// Whether there is room for a hop: what was asked for has all of it, samples and slow messages have half. One for
    /// which there is none counts as dropped.
    mutating func hasRoom(for reason: TraceReason) -> Bool {
        let isForSomebody =
            switch reason {
            case .asked, .watch, .failed: true
            case .sample, .slow: false
            }
        guard hops.count < (isForSomebody ? Self.hopsMax : Self.hopsMax / 2) else {
            dropped += 1
            return false
        }
        return true
    }

    /// Keeps a hop, if there is room.
    mutating func add(_ hop: Hop) {
        if hasRoom(for: hop.reason) { hops.append(hop) }
    }

    /// Whether one more slow message may be traced.
    mutating func takesSlow(now: ContinuousClock.Instant) -> Bool {
        if slowSince.duration(to: now) >= .seconds(1) {
            slowSince = now
            slowLeft = Self.slowPerSecondMax
        }
        guard slowLeft > 0 else { return false }
        slowLeft -= 1
        return true
    }

    /// The first hops, as many as one statement takes, and how many were dropped since the last time.
    mutating func take(_ count: Int) -> (hops: [Hop], dropped: Int) {
        let taken = Array(hops.prefix(count))
        hops.removeFirst(taken.count)
        return (taken, exchangeDropped())
    }

    /// Puts back what could not be written, in front of what came since: as much as there is room for.
    mutating func putBack(_ failed: [Hop]) {
        let room = max(0, Self.hopsMax - hops.count)
        dropped += max(0, failed.count - room)
        hops.insert(contentsOf: failed.suffix(room), at: 0)
    }

    var isEmpty: Bool { hops.isEmpty }

    private mutating func exchangeDropped() -> Int {
        defer { dropped = 0 }
        return dropped
    }
}
