import BelfryModel

/// Which sessions of one event loop have their row in `belfry.session`, which tells others after a crash what the
/// sessions may have seen. Pure: one method an event.
///
/// A session's row is written with the first reading of its backlog, before its first message. What it leaves
/// unacknowledged is marked and the row goes when it ends; while the statement that writes the row is on its way, that
/// waits for the answer.
struct SessionRows {
    /// Where one session's row stands. A session without an entry has none and wants none.
    enum State: Hashable, CaseIterable {
        /// The statement that writes it is on its way.
        case requested
        /// The same, and others have removed the rows of this node meanwhile, perhaps this one too.
        case requestedAndForgotten
        case written
        /// It may be there or not: the statement failed, perhaps after its commit, or others have removed it. It is
        /// written with the next reading.
        case uncertain
    }

    private var states: [SessionID: State] = [:]
    /// What sessions left that ended while their rows were being written.
    private var ended: [SessionID: SessionEnd] = [:]

    func state(of session: SessionID) -> State? { states[session] }

    /// The session is about to read its backlog. Returns whether its row is to be written with that.
    mutating func readingBegins(_ session: SessionID) -> Bool {
        switch states[session] {
        case nil, .uncertain:
            states[session] = .requested
            return true
        case .requested, .requestedAndForgotten, .written:
            return false
        }
    }

    /// The statement that was to write these rows has ended. Returns what of them is to be ended now.
    mutating func answered(_ sessions: [SessionID], isWritten: Bool) -> [SessionEnd] {
        var due: [SessionEnd] = []
        for session in sessions {
            guard let state = states[session] else { continue }
            let isCertain = isWritten && state == .requested
            if let end = ended.removeValue(forKey: session) {
                states[session] = nil
                due.append(
                    SessionEnd(
                        sessionID: end.sessionID, isRowCertain: isCertain, receiver: end.receiver,
                        unacknowledged: end.unacknowledged))
            } else {
                states[session] = isCertain ? .written : .uncertain
            }
        }
        return due
    }

    /// Others took this node for dead and removed the rows of its sessions.
    mutating func forgotten() {
        for (session, state) in states {
            switch state {
            case .written: states[session] = .uncertain
            case .requested: states[session] = .requestedAndForgotten
            case .requestedAndForgotten, .uncertain: break
            }
        }
    }

    /// The session has ended. Returns what is to be written now, if anything.
    ///
    /// - Parameter unacknowledged: what its user's messages had in flight.
    mutating func sessionEnded(
        _ session: SessionID, receiver: String, unacknowledged: [MessageID]
    ) -> SessionEnd? {
        switch states[session] {
        case nil:
            guard !unacknowledged.isEmpty else { return nil }
            return SessionEnd(sessionID: nil, receiver: receiver, unacknowledged: unacknowledged)
        case .requested, .requestedAndForgotten:
            ended[session] = SessionEnd(
                sessionID: session.description, receiver: receiver, unacknowledged: unacknowledged)
            return nil
        case .written, .uncertain:
            let isCertain = states.removeValue(forKey: session) == .written
            return SessionEnd(
                sessionID: session.description, isRowCertain: isCertain, receiver: receiver,
                unacknowledged: unacknowledged)
        }
    }
}
