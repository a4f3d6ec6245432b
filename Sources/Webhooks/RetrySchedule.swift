import BelfryModel

/// When a webhook is tried again.
public struct RetrySchedule: Sendable {
    /// The longest pause, but for what the application asks for.
    static let pauseMax: Duration = .seconds(3_600)

    private let first: Duration
    private let attemptsMax: Int

    public init(policy: EscalationPolicy) {
        first = policy.retryPause
        attemptsMax = policy.attemptsMax
    }

    /// The pause after a number of tries, all failed; `nil` when it is given up.
    ///
    /// - Parameter asked: what the application asked for, if it did: it is kept to, even where it is longer.
    public func pause(afterAttempts attempts: Int, asked: Duration?) -> Duration? {
        guard attempts < attemptsMax else { return nil }
        let whole = min(first * (1 << min(max(0, attempts - 1), 20)), Self.pauseMax)
        // Half of it by chance, so that those that failed together do not come together.
        return max(whole * Double.random(in: 0.5...1), asked ?? .zero)
    }
}
