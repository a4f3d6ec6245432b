import NIOCore

/// When the sessions of a node that stops are ended: spread over a time that grows with their number, each at random.
/// Pure.
struct DrainSpread {
    /// Sessions that are ended without any ado: no other node notices so few.
    static let unspreadMax = 20
    /// Of more of them a second has so many, as long as the limit of time allows.
    static let sessionsPerSecond = 100

    private let sessions: Int
    private let limit: TimeAmount

    /// - Parameters:
    ///   - sessions: those of the node.
    ///   - limit: the longest time that it may take.
    init(sessions: Int, limit: TimeAmount) {
        self.sessions = sessions
        self.limit = limit
    }

    /// The time over which they are ended; `nil` for at once.
    var length: TimeAmount? {
        guard sessions > Self.unspreadMax, limit > .zero else { return nil }
        // More are never reached, and the product can't overflow.
        let sessions = Int64(min(sessions, 1_000_000_000))
        return min(limit, .milliseconds(sessions * 1_000 / Int64(Self.sessionsPerSecond)))
    }

    /// After how long one of them is ended; `nil` for at once.
    func delay() -> TimeAmount? {
        length.map { .nanoseconds(Int64.random(in: 0...$0.nanoseconds)) }
    }
}
