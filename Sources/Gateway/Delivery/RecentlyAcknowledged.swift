import BelfryModel
import NIOCore

/// The `(id, xid)` of what one event loop's sessions have acknowledged of late: a live message or an outbox row found here
/// is a repeat. Two generations, swapped every `lifetime`, so that forgetting costs nothing per entry; bounded by
/// `entriesMax` in each.
struct RecentlyAcknowledged {
    private let entriesMax: Int
    /// An entry is remembered for at least this long, and at most twice as long.
    private let lifetime: TimeAmount
    private var young: [MessageID: UInt64] = [:]
    private var old: [MessageID: UInt64] = [:]
    private var swappedAt: NIODeadline

    init(entriesMax: Int, lifetime: TimeAmount = .seconds(60), now: NIODeadline) {
        self.entriesMax = entriesMax
        self.lifetime = lifetime
        self.swappedAt = now
    }

    mutating func insert(_ id: MessageID, xid: UInt64) {
        if young.count >= entriesMax { swap() }
        young[id] = xid
    }

    func contains(_ id: MessageID, xid: UInt64) -> Bool {
        (young[id] ?? old[id]) == xid
    }

    /// Forgets what is older than `lifetime`, if it is time to.
    mutating func tick(at now: NIODeadline) {
        guard now - swappedAt >= lifetime else { return }
        swap()
        swappedAt = now
    }

    private mutating func swap() {
        old = young
        young = [:]
    }
}
