import BelfryModel
import NIOCore
import STOMP

/// What time brings to a session: its heart-beats, and its deadlines. Pure.
struct SessionTimes: ~Copyable {
    /// What is to be done now.
    enum Action: Equatable {
        case none
        case sendHeartBeat
        /// No CONNECT came in time.
        case connectTimedOut
        /// Who would know whose the session is did not say so in time.
        case authenticationTimedOut
        /// The token expires in that time, which is less than a tick: to be looked at then.
        case expires(in: TimeAmount)
        /// The time for the marks behind DISCONNECT's receipt is over.
        case disconnectTimedOut
        /// To be ended for that reason.
        case fail(CloseReason)
    }

    private let connectTimeout: TimeAmount
    private let connectDeadline: NIODeadline
    /// Somebody is asked whose the session is.
    private var authenticationDeadline: NIODeadline?
    /// `nil` before CONNECTED.
    private var heartBeat: HeartBeatMachine?
    private var expiresAt: NIODeadline?
    private var disconnectDeadline: NIODeadline?
    private var budget = OutboundBudget()

    init(limits: Limits, now: NIODeadline) {
        connectTimeout = TimeAmount(limits.connectTimeout)
        connectDeadline = now + connectTimeout
    }

    /// When `tick` is to be called next; `nil` when never. Traffic only ever puts it off, so that nothing need be filed
    /// anew for it.
    var nextDeadline: NIODeadline? {
        if let disconnectDeadline { return disconnectDeadline }
        switch heartBeat {
        case nil: return connectDeadline
        case .some(let heartBeat): return earliest(heartBeat.nextDeadline)
        }
    }

    private var isConnected: Bool {
        switch heartBeat {
        case nil: false
        case .some: true
        }
    }

    private func earliest(_ heartBeat: NIODeadline?) -> NIODeadline? {
        var earliest = heartBeat ?? .distantFuture
        // A tick before, so that the end itself is no tick too late.
        if let expiresAt { earliest = min(earliest, expiresAt - TickWheel.tick) }
        if let authenticationDeadline { earliest = min(earliest, authenticationDeadline) }
        if let deadline = budget.deadline { earliest = min(earliest, deadline) }
        return earliest == .distantFuture ? nil : earliest
    }

    /// Somebody is asked whose the session is: the first time until a CONNECT must have been dealt with, later for as
    /// long.
    mutating func authenticationBegan(at now: NIODeadline) {
        authenticationDeadline = isConnected ? now + connectTimeout : connectDeadline
    }

    /// The answer is there.
    mutating func authenticationAnswered() { authenticationDeadline = nil }

    /// A token was accepted that is good until `expiresAt`.
    mutating func authenticated(until expiresAt: NIODeadline?) { self.expiresAt = expiresAt }

    /// Whether the time of the token is over. It stays over: a new token must come, and be accepted, before.
    func hasExpired(at now: @autoclosure () -> NIODeadline) -> Bool {
        guard let expiresAt else { return false }
        return now() >= expiresAt
    }

    /// CONNECTED was written.
    mutating func connected(_ agreement: HeartBeatAgreement, at now: NIODeadline) {
        heartBeat = HeartBeatMachine(agreement, at: now)
    }

    /// The peer gave a sign of life.
    mutating func dataReceived(at now: NIODeadline) { heartBeat?.dataReceived(at: now) }

    /// Bytes were written.
    mutating func dataSent(at now: NIODeadline) { heartBeat?.dataSent(at: now) }

    /// DISCONNECT waits for marks until then.
    mutating func disconnecting(until deadline: NIODeadline) { disconnectDeadline = deadline }

    /// Bytes wait for the client. Returns whether it is to be given up as too slow.
    mutating func isSlow(waitingBytes: Int, limits: Limits, at now: NIODeadline) -> Bool {
        budget.isExceeded(waitingBytes: waitingBytes, limits: limits, now: now)
    }

    /// Whether the client is being watched for reading slowly.
    var isBudgetTight: Bool { budget.deadline != nil }

    /// Time has passed.
    ///
    /// - Parameter isReadingPaused: a client that is not read from can't be blamed for its silence.
    mutating func tick(at now: NIODeadline, isReadingPaused: Bool) -> Action {
        if let disconnectDeadline { return now >= disconnectDeadline ? .disconnectTimedOut : .none }
        if let authenticationDeadline, now >= authenticationDeadline { return .authenticationTimedOut }
        guard isConnected else { return now >= connectDeadline ? .connectTimedOut : .none }
        if hasExpired(at: now) { return .fail(.tokenExpired) }
        if let expiresAt, now >= expiresAt - TickWheel.tick { return .expires(in: expiresAt - now) }
        if isReadingPaused { heartBeat?.dataReceived(at: now) }
        switch heartBeat?.tick(at: now) {
        case .sendHeartBeat: return .sendHeartBeat
        case .close(let reason): return .fail(reason)
        case .some(.none), nil: return .none
        }
    }
}
