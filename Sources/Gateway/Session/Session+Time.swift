import BelfryModel
import NIOCore
import STOMP

/// What time brings to a session.
extension Session {
    /// When `tick` is to be called next; `nil` when never. Traffic only ever puts it off, so that nothing need be filed anew
    /// for it.
    var nextDeadline: NIODeadline? {
        if isEnded { return nil }
        if let disconnectDeadline { return disconnectDeadline }
        if isClosing { return nil }
        if user == nil { return openedAt + TimeAmount(shard.limits.connectTimeout) }
        var next = heartBeat?.nextDeadline ?? .distantFuture
        if let expiresAt { next = min(next, expiresAt) }
        if let deadline = budget.deadline { next = min(next, deadline) }
        return next == .distantFuture ? nil : next
    }

    /// Sends a heart-beat, or ends the session, if it is time.
    func tick(at now: NIODeadline) {
        if let disconnectDeadline, !isEnded, now >= disconnectDeadline { return close(.clientDisconnected, with: nil) }
        guard !isClosing else { return }
        if user == nil {
            if now - openedAt >= TimeAmount(shard.limits.connectTimeout) { run(machine.connectTimedOut()) }
            return
        }
        if let expiresAt, now >= expiresAt { return fail(.tokenExpired) }
        // What waits can only have grown with a flush, which looks for itself.
        if budget.deadline != nil { checkBudget(at: now) }
        // A client that we do not read from can't be blamed for its silence.
        if isReadingPaused { heartBeat?.dataReceived(at: now) }
        switch heartBeat?.tick(at: now) {
        case .sendHeartBeat:
            transport.append(byteCount: 1, isText: true) { $0.writeImmutableBuffer(FrameEncoder.heartBeat) }
            touch()
        case .close(let reason): fail(reason)
        case nil, .some(.none): break
        }
    }
}
