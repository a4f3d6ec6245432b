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
        /// The time for the marks behind DISCONNECT's receipt is over.
        case disconnectTimedOut
        /// To be ended for that reason.
        case fail(CloseReason)
    }

    private let connectDeadline: NIODeadline
    /// `nil` before CONNECTED.
    private var heartBeat: HeartBeatMachine?
    private var expiresAt: NIODeadline?
    private var disconnectDeadline: NIODeadline?
    private var budget = OutboundBudget()

    init(limits: Limits, now: NIODeadline) { connectDeadline = now + TimeAmount(limits.connectTimeout) }

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
        if let expiresAt { earliest = min(earliest, expiresAt) }
        if let deadline = budget.deadline { earliest = min(earliest, deadline) }
        return earliest == .distantFuture ? nil : earliest
    }

    /// A token was accepted that is good until `expiresAt`.
    mutating func authenticated(until expiresAt: NIODeadline?) { self.expiresAt = expiresAt }

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
        guard isConnected else { return now >= connectDeadline ? .connectTimedOut : .none }
        if let expiresAt, now >= expiresAt { return .fail(.tokenExpired) }
        if isReadingPaused { heartBeat?.dataReceived(at: now) }
        switch heartBeat?.tick(at: now) {
        case .sendHeartBeat: return .sendHeartBeat
        case .close(let reason): return .fail(reason)
        case .some(.none), nil: return .none
        }
    }
}
