import BelfryModel
import NIOCore

/// When to send a heart-beat and when to give the other side up ("STOMP 1.2, Heart-beating"), for servers and clients.
/// It has no clock and no timer of its own.
///
/// Any byte counts as a sign of life, either way. A heart-beat goes out a tenth of the interval early, so that a timer
/// that fires late does not break what was promised; the other side has twice its interval.
public struct HeartBeatMachine: ~Copyable {
    /// What `tick` asks for.
    public enum Action: Hashable, Sendable {
        case none
        case sendHeartBeat
        case close(CloseReason)
    }

    public let agreement: HeartBeatAgreement
    private var lastSent: NIODeadline
    private var lastReceived: NIODeadline
    private var isClosed = false

    /// - Parameter now: when CONNECTED was written, or read.
    public init(_ agreement: HeartBeatAgreement, at now: NIODeadline) {
        self.agreement = agreement
        lastSent = now
        lastReceived = now
    }

    /// When the other side, if silent until then, is given up; `nil` when it promised nothing.
    public var inboundDeadline: NIODeadline? {
        guard !isClosed, let interval = agreement.inboundInterval else { return nil }
        return lastReceived + interval * 2
    }

    /// When the next heart-beat is due if nothing else is sent before; `nil` when the other side wants none.
    public var outboundDeadline: NIODeadline? {
        guard !isClosed, let interval = agreement.outboundInterval else { return nil }
        return lastSent + .nanoseconds(interval.nanoseconds / 10 * 9)
    }

    /// When `tick` should be called next; `nil` when never. Sending and receiving only ever put it off, so a timer set
    /// for it may be left alone until it fires.
    public var nextDeadline: NIODeadline? {
        switch (inboundDeadline, outboundDeadline) {
        case (let inbound?, let outbound?): min(inbound, outbound)
        case (let inbound, nil): inbound
        case (nil, let outbound): outbound
        }
    }

    /// Bytes came from the other side.
    public mutating func dataReceived(at now: NIODeadline) {
        lastReceived = max(lastReceived, now)
    }

    /// Bytes were written; a heart-beat that `tick` asked for is counted already.
    public mutating func dataSent(at now: NIODeadline) {
        lastSent = max(lastSent, now)
    }

    /// Time has passed. After `.close` it asks for nothing more.
    public mutating func tick(at now: NIODeadline) -> Action {
        if let deadline = inboundDeadline, now >= deadline {
            isClosed = true
            return .close(.heartBeatMissed)
        }
        if let deadline = outboundDeadline, now >= deadline {
            lastSent = max(lastSent, now)
            return .sendHeartBeat
        }
        return .none
    }
}
