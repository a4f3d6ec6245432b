import Synchronization

/// How a relay fares, for health checks. Any thread may look.
public final class RelayStatus: Sendable {
    /// One look.
    public struct Snapshot: Hashable, Sendable {
        public var isLeader = false
        /// Rings can be heard; otherwise the relay polls. `nil` until that has been tested once.
        public var isListening: Bool?
        /// The bus took what it was last given.
        public var isBusAvailable = true
        /// The age of the oldest message that is read but not published; zero when there is none.
        public var lag: Duration = .zero
    }

    private struct State {
        var snapshot = Snapshot()
        /// When the oldest unpublished message was written.
        var oldestUnpublished: ContinuousClock.Instant?
    }

    private let state = Mutex(State())

    init() {}

    public var snapshot: Snapshot {
        state.withLock { state in
            var snapshot = state.snapshot
            snapshot.lag = state.oldestUnpublished.map { $0.duration(to: .now) } ?? .zero
            return snapshot
        }
    }

    func update(_ change: (inout Snapshot) -> Void) {
        state.withLock { change(&$0.snapshot) }
    }

    /// The lag grows from `oldest` on; `nil`: everything read is published.
    func setOldestUnpublished(_ oldest: ContinuousClock.Instant?) {
        state.withLock { $0.oldestUnpublished = oldest }
    }
}
