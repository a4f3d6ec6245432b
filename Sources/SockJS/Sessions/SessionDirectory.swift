import NIOConcurrencyHelpers
import NIOCore

/// From the ids that clients choose to their sessions, over all event loops: a session lives on the loop of the request
/// that it began with, and the next may come on any. Asked once for each request, never for a message.
final class SessionDirectory: Sendable {
    /// Where a request that wants to be answered by frames belongs.
    enum Place {
        case found(SockJSSession)
        /// It begins with this request.
        case made(SockJSSession)
        /// The id is that of a session that the request can't belong to.
        case foreign
        /// There is no room for another.
        case full
    }

    private struct State {
        var sessions: [String: SockJSSession] = [:]
        /// Those whose client has not said who it is.
        var strangers = 0
    }

    private let sessionsMax: Int
    /// A request is enough to begin one, and the next can come on the same connection: those that are begun and left
    /// must not take the places of the others.
    private let strangersMax: Int
    private let state = NIOLockedValueBox(State())

    init(sessionsMax: Int) {
        self.sessionsMax = sessionsMax
        strangersMax = max(1, sessionsMax / 8)
    }

    var count: Int { state.withLockedValue { $0.sessions.count } }

    /// The session that a request belongs to, or the one that begins with it.
    func place(_ id: String, for binding: SessionBinding, make: () -> SockJSSession) -> Place {
        state.withLockedValue { state in
            if let session = state.sessions[id] { return session.binding.covers(binding) ? .found(session) : .foreign }
            guard state.sessions.count < sessionsMax, state.strangers < strangersMax else { return .full }
            let session = make()
            state.sessions[id] = session
            state.strangers += 1
            return .made(session)
        }
    }

    /// The session that a request belongs to; `nil` when there is none.
    func session(_ id: String, for binding: SessionBinding) -> SockJSSession? {
        guard let session = state.withLockedValue({ $0.sessions[id] }) else { return nil }
        return session.binding.covers(binding) ? session : nil
    }

    /// A session's client has said who it is.
    func becameKnown() { state.withLockedValue { $0.strangers -= 1 } }

    func remove(_ id: String, isStranger: Bool) {
        state.withLockedValue { state in
            state.sessions[id] = nil
            if isStranger { state.strangers -= 1 }
        }
    }
}
