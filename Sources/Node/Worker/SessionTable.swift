import BelfryModel
import NIOCore

/// The sessions of one event loop from their connection to their end, how many of their sockets are still there, and
/// when each is to be looked at next. Used on its event loop only.
final class SessionTable: @unchecked Sendable {
    private var sessions: [SessionID: Session] = [:]
    private var wheel: TickWheel
    /// Those that took one of the node's places.
    private var counted: Set<SessionID> = []
    /// Sockets that are still there, those of ended sessions included.
    private var transportsOpen = 0

    init(now: NIODeadline) { wheel = TickWheel(start: now) }

    var all: [Session] { Array(sessions.values) }
    var count: Int { sessions.count }
    var hasTransports: Bool { transportsOpen > 0 }

    func session(_ id: SessionID) -> Session? { sessions[id] }

    func add(_ session: Session) {
        transportsOpen += 1
        sessions[session.id] = session
    }

    /// A session takes one of the node's places.
    func entered(_ session: Session) { counted.insert(session.id) }

    /// A session has ended.
    ///
    /// - Returns: whether it had one of the node's places; `nil` when it had ended before.
    func remove(_ session: Session) -> Bool? {
        guard sessions.removeValue(forKey: session.id) != nil else { return nil }
        return counted.remove(session.id) != nil
    }

    /// A transport is gone for good.
    func transportClosed() { transportsOpen -= 1 }

    // MARK: Time

    /// Has the session looked at when its next deadline has come.
    func file(_ session: Session) { session.file(in: &wheel) }

    /// Looks at those whose deadline has come.
    func tick(at now: NIODeadline) {
        for (id, tick) in wheel.due(at: now) {
            guard let session = sessions[id], session.takeFiling(tick) else { continue }
            session.tick(at: now)
            file(session)
        }
    }
}
