import NIOCore

/// So many events a second, and after a quiet time so many at once: a token bucket, kept as the time at which it will
/// be full again. Pure.
public struct TokenBucket: Sendable {
    /// Events of that many seconds may come at once, after a quiet time.
    static let burstSeconds: Int64 = 10

    private var fullAt: NIODeadline

    public init(now: NIODeadline) { fullAt = now }

    /// Whether it has all of its tokens.
    public func isFull(at now: NIODeadline) -> Bool { fullAt <= now }

    /// Takes a token; `false` when there is none.
    ///
    /// - Parameter perSecond: at least 1.
    public mutating func take(perSecond: Int, at now: NIODeadline) -> Bool {
        let price = TimeAmount.nanoseconds(1_000_000_000 / Int64(max(1, perSecond)))
        let next = max(fullAt, now) + price
        guard next - now <= .seconds(Self.burstSeconds) else { return false }
        fullAt = next
        return true
    }
}
