import NIOCore

/// What time brings to a session.
extension Session {
    /// Files the session for its next deadline.
    func file(in wheel: inout TickWheel) {
        guard !isEnded, let deadline = times.nextDeadline else { return }
        filedTick = wheel.file(id, at: deadline, filed: filedTick)
    }

    /// The wheel has come to a tick in which the session was filed. Returns whether that is its last filing.
    func takeFiling(_ tick: Int) -> Bool {
        guard filedTick == tick else { return false }
        filedTick = nil
        return true
    }

    /// Sends a heart-beat, or ends the session, if it is time.
    func tick(at now: NIODeadline) {
        guard !isEnded else { return }
        // Who has taken what waited, or has gone, may have said so to nobody.
        if inbound.isPaused { pauseOrResumeReading() }
        // What waits can only have grown with a flush, which looks for itself.
        if times.isBudgetTight { checkBudget(at: now) }
        switch times.tick(at: now, isReadingPaused: inbound.isPaused) {
        case .none: break
        case .sendHeartBeat:
            outbound.appendHeartBeat()
            touch()
        case .connectTimedOut: run(machine.connectTimedOut())
        case .authenticationTimedOut:
            run(machine.failed(.authenticationUnavailable, "who you are could not be found out in time."))
        case .expires(let time): worker.eventLoop.scheduleTask(in: time) { self.expireIfDue() }
        case .disconnectTimedOut: close(.clientDisconnected, with: nil)
        case .fail(.tokenExpired): expire()
        case .fail(let reason): fail(reason)
        }
    }

    private func expireIfDue() {
        if times.hasExpired(at: .now()) { expire() }
        worker.flushQueue.flush()
    }
}
