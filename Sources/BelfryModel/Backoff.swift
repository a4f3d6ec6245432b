/// Growing pauses between tries, with jitter so that many processes do not come back in step.
public struct Backoff: Sendable {
    public let first: Duration
    public let limit: Duration
    private var failures = 0

    /// - Parameters:
    ///   - first: the pause after the first failure; it doubles with each further one.
    ///   - limit: the longest pause before jitter.
    public init(first: Duration, limit: Duration) {
        self.first = first
        self.limit = limit
    }

    /// The pause before the next try: between half of, and the whole of, the doubled pause.
    public mutating func next() -> Duration {
        let whole = min(first * (1 << min(failures, 20)), limit)
        failures += 1
        return whole * Double.random(in: 0.5...1)
    }

    /// To be called after a success, so that the next failure starts from `first` again.
    public mutating func reset() { failures = 0 }
}
