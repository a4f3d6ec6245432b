import BelfryModel
import NIOCore

/// The life of a client: asking for a token, connecting, up, a pause, and again, until it makes no sense any more.
struct LinkMachine: ~Copyable {
    enum Action {
        case none
        case askForToken
        case open(token: String?)
        /// A connection is tried again after a pause; `attempt` counts from 1.
        case pause(Duration, BelfryClientError, attempt: Int)
        case disconnect
        /// The end; `nil` when the program wanted it.
        case finish(BelfryClientError?)
    }

    private enum State {
        case idle
        case awaitingToken
        case connecting
        case up(since: NIODeadline)
        case pausing
        /// The program wants no more; the connection is still there.
        case stopping
        case closed
    }

    private let pauseFirst: Duration
    private let pauseMax: Duration
    /// Whether another token can be had than the one before.
    private let hasFreshTokens: Bool
    private var state = State.idle
    private var backoff: Backoff
    private var attempt = 0

    /// - Parameters:
    ///   - pauseFirst: after the first failure; it doubles with each further one.
    ///   - pauseMax: the longest pause, but for jitter on top of what a server asks for.
    init(pauseFirst: Duration, pauseMax: Duration, hasFreshTokens: Bool) {
        self.pauseFirst = pauseFirst
        self.pauseMax = pauseMax
        self.hasFreshTokens = hasFreshTokens
        backoff = Backoff(first: pauseFirst, limit: pauseMax)
    }

    var isClosed: Bool {
        switch state {
        case .closed: true
        case .idle, .awaitingToken, .connecting, .up, .pausing, .stopping: false
        }
    }

    mutating func started() -> Action {
        switch state {
        case .idle:
            state = .awaitingToken
            return .askForToken
        case .awaitingToken, .connecting, .up, .pausing, .stopping, .closed: return .none
        }
    }

    /// The pause is over, or the program has reason to believe that a try would succeed now.
    mutating func pauseEnded() -> Action {
        switch state {
        case .pausing:
            state = .awaitingToken
            return .askForToken
        case .idle, .awaitingToken, .connecting, .up, .stopping, .closed: return .none
        }
    }

    mutating func tokenReceived(_ token: String?) -> Action {
        switch state {
        case .awaitingToken:
            state = .connecting
            return .open(token: token)
        case .idle, .connecting, .up, .pausing, .stopping, .closed: return .none
        }
    }

    mutating func tokenFailed(_ error: BelfryClientError) -> Action {
        switch state {
        case .awaitingToken: return pause(error, away: nil)
        case .idle, .connecting, .up, .pausing, .stopping, .closed: return .none
        }
    }

    mutating func connected(at now: NIODeadline) {
        switch state {
        case .connecting: state = .up(since: now)
        case .idle, .awaitingToken, .up, .pausing, .stopping, .closed: break
        }
    }

    /// The connection ended, or could not be made.
    ///
    /// - Parameter isExcused: only one request is to blame, which has been told: the others need not suffer.
    mutating func ended(_ end: ConnectionEnd, isExcused: Bool, at now: NIODeadline) -> Action {
        switch state {
        case .connecting: return goOn(after: end, isExcused: isExcused)
        case .up(let since):
            // A session that did not last counts as a failure: a server that ends each at once gets its pauses.
            if now - since > TimeAmount(pauseFirst * 10) {
                backoff.reset()
                attempt = 0
            }
            return goOn(after: end, isExcused: isExcused)
        case .stopping:
            state = .closed
            return .finish(nil)
        case .idle, .awaitingToken, .pausing, .closed: return .none
        }
    }

    /// The program wants no more.
    mutating func stopped() -> Action {
        switch state {
        case .connecting, .up:
            state = .stopping
            return .disconnect
        case .idle, .awaitingToken, .pausing:
            state = .closed
            return .finish(nil)
        case .stopping, .closed: return .none
        }
    }

    /// It cannot even begin.
    mutating func failed(_ error: BelfryClientError) -> Action {
        switch state {
        case .closed: return .none
        case .idle, .awaitingToken, .connecting, .up, .pausing, .stopping:
            state = .closed
            return .finish(error)
        }
    }

    private mutating func goOn(after end: ConnectionEnd, isExcused: Bool) -> Action {
        let code = end.error.code
        let isFinal = code == .tokenExpired ? !hasFreshTokens : code.isFinal && !isExcused
        guard isFinal else { return pause(end.error, away: end.away) }
        state = .closed
        return .finish(end.error)
    }

    private mutating func pause(_ error: BelfryClientError, away: Duration?) -> Action {
        state = .pausing
        attempt += 1
        // Whoever was sent away by a node that stops comes back with many others: each at a moment of its own.
        let asked = min(away ?? .zero, pauseMax) * Double.random(in: 1...2)
        return .pause(max(asked, backoff.next()), error, attempt: attempt)
    }
}
