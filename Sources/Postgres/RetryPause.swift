/// Pauses between tries to connect: 50 ms, doubling to 2 s, less up to a half by chance so that many processes do not
/// come back in step.
struct RetryPause {
    private static let first: Duration = .milliseconds(50)
    private static let limit: Duration = .seconds(2)
    /// A connection that lived as long as this was a good one.
    private static let goodAge: Duration = .seconds(5)
    private var failures = 0

    /// The pause before the next try, after a connection that lived for `age` (zero: none came about).
    mutating func next(after age: Duration) -> Duration {
        if age >= Self.goodAge { failures = 0 }
        let whole = min(Self.first * (1 << min(failures, 10)), Self.limit)
        failures += 1
        return whole * Double.random(in: 0.5...1)
    }
}
