import NIOCore

/// Sessions of one event loop with bytes appended and not yet written: each is written once, at the end of the read, or
/// of the turn of the loop, that touched it. Used on its event loop only.
final class FlushQueue: @unchecked Sendable {
    private let eventLoop: any EventLoop
    private var touched: [Session] = []
    private var isScheduled = false

    init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    /// The session has appended bytes: they go out with the next `flush`.
    func add(_ session: Session) {
        touched.append(session)
        guard !isScheduled else { return }
        isScheduled = true
        // Whatever path led here, the end of this turn of the loop flushes it.
        eventLoop.execute {
            self.isScheduled = false
            self.flush()
        }
    }

    /// Writes what every touched session has appended, once each.
    func flush() {
        guard !touched.isEmpty else { return }
        let sessions = touched
        touched.removeAll(keepingCapacity: true)
        for session in sessions { session.flush() }
    }
}
