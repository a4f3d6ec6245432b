import NIOCore

/// Tells a quiet connection from a dead one.
///
/// A connection that waits for an answer must hear something within `answerTimeout`; one that waits for nothing and has
/// been quiet for `quietInterval` is probed.
struct LivenessMachine: ~Copyable {
    enum Action: Hashable {
        case none
        case sendPing
        case giveUp
    }

    private let quietInterval: TimeAmount
    private let answerTimeout: TimeAmount
    private var lastHeard: NIODeadline
    private var awaitingSince: NIODeadline?

    init(quietInterval: TimeAmount, answerTimeout: TimeAmount, now: NIODeadline) {
        self.quietInterval = quietInterval
        self.answerTimeout = answerTimeout
        self.lastHeard = now
    }

    /// How often `ticked` is to be called: often enough that the bounds are met within a fifth.
    var tickInterval: TimeAmount {
        .nanoseconds(max(1_000_000, min(quietInterval, answerTimeout).nanoseconds / 5))
    }

    /// Commands were written whose answers are awaited.
    mutating func commandsSent(now: NIODeadline) {
        awaitingSince = awaitingSince ?? now
    }

    /// Bytes came; `isAwaiting` says whether further answers are outstanding.
    mutating func bytesReceived(now: NIODeadline, isAwaiting: Bool) {
        lastHeard = now
        awaitingSince = isAwaiting ? now : nil
    }

    mutating func ticked(now: NIODeadline) -> Action {
        if let awaitingSince {
            return now - awaitingSince >= answerTimeout ? .giveUp : .none
        }
        guard now - lastHeard >= quietInterval else { return .none }
        awaitingSince = now
        return .sendPing
    }
}
