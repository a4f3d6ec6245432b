import NIOCore

/// How many frames a client may send in a second: as many at once, then as they come back. Pure.
struct FrameRate {
    private let perSecond: Int
    private var left: Int
    private var renewedAt: NIODeadline

    init(perSecond: Int, now: NIODeadline) {
        self.perSecond = perSecond
        left = perSecond
        renewedAt = now
    }

    /// A frame came. Returns whether the next one may be dealt with. The clock is looked at once in `perSecond` frames.
    mutating func spend(now: @autoclosure () -> NIODeadline) -> Bool {
        left -= 1
        return left > 0 || renew(at: now())
    }

    /// Time has passed. Returns whether frames may be dealt with.
    mutating func renew(at now: NIODeadline) -> Bool {
        let elapsed = min(max(0, (now - renewedAt).nanoseconds), 1_000_000_000)
        let back = Int(elapsed) / 1_000 * perSecond / 1_000_000
        guard back > 0 else { return left > 0 }
        renewedAt = now
        left = min(perSecond, left + back)
        return left > 0
    }
}
