import BelfryModel

/// How many webhooks go to one server at once: all that is allowed while it accepts them, one after pauses that grow
/// while it does not, so that a server that is away, hangs or wants rest is not asked for each message that waits.
public struct EndpointPace: Sendable {
    private let limit: Int
    private var allowed: Int
    private var underWay = 0
    private var restsUntil: ContinuousClock.Instant?
    private var backoff = Backoff(first: .milliseconds(500), limit: .seconds(30))
    /// Counts the rests: what began before the present one says nothing new.
    private var rests = 0

    public init(limit: Int) {
        self.limit = max(1, limit)
        allowed = self.limit
    }

    /// How many more may begin now.
    public func room(at now: ContinuousClock.Instant) -> Int {
        if let restsUntil, restsUntil > now { return 0 }
        return max(0, allowed - underWay)
    }

    /// When there is room again, by the clock alone.
    public var wakesAt: ContinuousClock.Instant? { restsUntil }

    /// So many begin. Returns what `ended` is to be told.
    public mutating func began(_ count: Int) -> Int {
        underWay += count
        return rests
    }

    /// What came of one is known; it takes its place until that is noted.
    ///
    /// - Parameters:
    ///   - isUp: the server works: it accepted it, or refused this very one.
    ///   - asked: the rest that it asked for.
    ///   - began: what `began` returned.
    public mutating func ended(isUp: Bool, asked: Duration?, began: Int, at now: ContinuousClock.Instant) {
        if isUp {
            allowed = min(limit, allowed * 2)
            backoff.reset()
        } else if began == rests {
            allowed = 1
            rests += 1
            restsUntil = now + max(backoff.next(), asked ?? .zero)
        } else if let asked {
            restsUntil = max(restsUntil ?? now, now + asked)
        }
    }

    /// It is noted, and not sent again by whoever comes next: so many at most may come twice when this process is
    /// killed.
    public mutating func noted() { underWay = max(0, underWay - 1) }
}
