import NIOCore

/// Has a new token sent in time, when four fifths of the present one's are over. The server says how much is left, as
/// this machine's clock may be wrong.
struct RefreshMachine: ~Copyable {
    private enum State {
        /// The session has no end, or there is none.
        case idle
        case waiting(until: NIODeadline, end: NIODeadline)
        /// The program is asked for a token.
        case asking(end: NIODeadline)
        /// The token was sent.
        case sent(end: NIODeadline)
    }

    /// No sooner: a program that gives the same token again is not asked without end.
    private static let pauseMin = TimeAmount.seconds(1)
    private var state = State.idle

    /// When `ticked` is to be called; `nil` when not.
    var deadline: NIODeadline? {
        switch state {
        case .waiting(let until, _): until
        case .idle, .asking, .sent: nil
        }
    }

    /// A session begins, or goes on with a new token.
    ///
    /// - Parameter left: milliseconds, the header `expires-in`; `nil` for a session without an end.
    mutating func sessionLasts(_ left: Int64?, from now: NIODeadline) {
        guard let milliseconds = left, milliseconds > 0 else {
            state = .idle
            return
        }
        // A year is enough for a timer.
        let left = TimeAmount.milliseconds(min(milliseconds, 366 * 86_400_000))
        state = .waiting(until: now + max(Self.pauseMin, left / 5 * 4), end: now + left)
    }

    mutating func sessionEnded() {
        state = .idle
    }

    /// - Returns: whether the program is to be asked for a token.
    mutating func ticked(at now: NIODeadline) -> Bool {
        switch state {
        case .waiting(let until, let end) where now >= until:
            state = .asking(end: end)
            return true
        case .waiting, .idle, .asking, .sent: return false
        }
    }

    /// - Returns: whether the token is to be sent.
    mutating func tokenReceived() -> Bool {
        switch state {
        case .asking(let end):
            state = .sent(end: end)
            return true
        case .idle, .waiting, .sent: return false
        }
    }

    /// Without a token there is another try as long as there is time; after that the server ends the session.
    mutating func tokenFailed(at now: NIODeadline) {
        switch state {
        case .asking(let end):
            let left = end - now
            state = left > Self.pauseMin ? .waiting(until: now + max(Self.pauseMin, left / 2), end: end) : .idle
        case .idle, .waiting, .sent: break
        }
    }
}

extension TimeAmount {
    fileprivate static func / (amount: TimeAmount, divisor: Int64) -> TimeAmount {
        .nanoseconds(amount.nanoseconds / divisor)
    }
}
