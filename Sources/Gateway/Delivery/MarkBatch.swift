import BelfryModel
import DequeModule

/// The delivery marks of one event loop on their way to PostgreSQL: gathered, written by one statement at a time in the
/// order of their kinds, kept until PostgreSQL has committed them. Pure bookkeeping; the shard runs the statements.
struct MarkBatch {
    /// One statement's worth.
    struct Batch {
        var delivered: [MessageID] = []
        var refused: [MessageID] = []
        var closedSessions: [String] = []
        var unacknowledged: [MessageID] = []
        /// To be run once all of the above has committed.
        var whenCommitted: [@Sendable () -> Void] = []

        var isEmpty: Bool {
            delivered.isEmpty && refused.isEmpty && closedSessions.isEmpty && unacknowledged.isEmpty
                && whenCommitted.isEmpty
        }
    }

    private let marksMax: Int
    private var gathering = Batch()
    private(set) var inFlight: Batch?

    init(marksMax: Int) { self.marksMax = marksMax }

    /// Marks not yet committed.
    var pendingCount: Int {
        gathering.delivered.count + gathering.refused.count + gathering.unacknowledged.count
            + gathering.closedSessions.count + (inFlight?.delivered.count ?? 0)
    }

    var isEmpty: Bool { gathering.isEmpty && inFlight == nil }
    var isFull: Bool { gathering.delivered.count >= marksMax }

    mutating func delivered(_ id: MessageID) { gathering.delivered.append(id) }
    mutating func refused(_ id: MessageID) { gathering.refused.append(id) }

    mutating func sessionClosed(_ sessionID: String, unacknowledged ids: [MessageID]) {
        gathering.closedSessions.append(sessionID)
        gathering.unacknowledged.append(contentsOf: ids)
    }

    mutating func givenBack(_ ids: [MessageID]) { gathering.unacknowledged.append(contentsOf: ids) }

    /// Runs `body` once everything gathered up to now has committed.
    mutating func whenCommitted(_ body: @escaping @Sendable () -> Void) { gathering.whenCommitted.append(body) }

    /// Takes what was gathered as the batch to write; `false` when there is none, or one is being written.
    mutating func begin() -> Bool {
        guard inFlight == nil, !gathering.isEmpty else { return false }
        // Ascending ids make all nodes lock rows in one order.
        gathering.delivered.sort()
        gathering.refused.sort()
        gathering.unacknowledged.sort()
        guard gathering.delivered.count > marksMax else {
            inFlight = gathering
            gathering = Batch()
            return true
        }
        // Too many for one statement: the rest, and what must come after it, stays for the next.
        inFlight = Batch(delivered: Array(gathering.delivered.prefix(marksMax)))
        gathering.delivered.removeFirst(marksMax)
        return true
    }

    /// The batch has committed.
    mutating func committed() -> Batch? {
        defer { inFlight = nil }
        return inFlight
    }
}
