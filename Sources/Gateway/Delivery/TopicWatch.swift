import BelfryModel
import NIOCore

/// Which broadcasts of one topic an event loop has dealt with, so that what the bus lost can be told from what was there
/// before anybody here listened. Pure; fed with live messages and with what reconcile lists of the outbox.
///
/// Everything that the `floor` sees was either handed out here, or was published before the first look, or is a suspect.
/// In another incarnation of PostgreSQL the floor means nothing: the next look lists all that was published since the first
/// one, and what is not known to have been handed out was missed.
struct TopicWatch {
    /// One broadcast that a look has listed.
    struct Row {
        let id: MessageID
        let xid: UInt64
        /// Known when the look had no floor.
        let createdAtMicroseconds: Int64
    }

    /// The snapshot of the last look into the outbox; `nil` before the first, and after another incarnation.
    private(set) var floor: TransactionSnapshot?
    /// When the first look was, by PostgreSQL's clock.
    private(set) var sinceMicroseconds: Int64?
    /// Rows that a look found and that have not come live.
    private(set) var suspects: Set<MessageID> = []
    private var handedOut: RecentMessages

    /// - Parameter hold: how long a broadcast stays in the outbox after it was published.
    init(now: NIODeadline, hold: TimeAmount = .seconds(60)) {
        handedOut = RecentMessages(entriesMax: 100_000, lifetime: max(.seconds(60), hold + .seconds(30)), now: now)
    }

    /// Whether the first look is done: from then on nothing is missed.
    var hasLooked: Bool { floor != nil }

    /// A message is there, live or read because it was missed. `false` when it is a repeat, or older than the first look.
    mutating func take(_ id: MessageID, xid: UInt64, createdAtMicroseconds: Int64) -> Bool {
        guard !handedOut.contains(id, xid: xid, createdAtMicroseconds: createdAtMicroseconds) else { return false }
        let isSuspect = suspects.remove(id) != nil
        if let floor, floor.sees(xid), !isSuspect { return false }
        handedOut.insert(id, xid: xid, createdAtMicroseconds: createdAtMicroseconds)
        return true
    }

    /// A look into the outbox: rows that the floor does not see or, without a floor, that the relay has not published yet, and
    /// those that it has published since the first look.
    ///
    /// - Parameter now: when the look was, by PostgreSQL's clock, in Unix microseconds.
    /// - Returns: the missed ones: suspects of an earlier look that have not come since, and while the bus is away all.
    mutating func listed(
        _ rows: [Row], snapshot: TransactionSnapshot, at now: Int64, isBusAvailable: Bool
    ) -> [MessageID] {
        let isFirst = sinceMicroseconds == nil
        let earlier = suspects
        for row in rows where !isKnown(row) { suspects.insert(row.id) }
        if floor == nil { handedOut.forgetEarlierIncarnations() }
        floor = snapshot
        if isFirst {
            sinceMicroseconds = now
            return []
        }
        return (isBusAvailable ? earlier : suspects).sorted()
    }

    private mutating func isKnown(_ row: Row) -> Bool {
        guard floor == nil else { return handedOut.contains(row.id, xid: row.xid) }
        guard handedOut.knows(row.id, createdAtMicroseconds: row.createdAtMicroseconds) else { return false }
        // From now on by the stamp that it has in this incarnation.
        handedOut.insert(row.id, xid: row.xid, createdAtMicroseconds: row.createdAtMicroseconds)
        return true
    }

    /// Missed messages were read: those that were still there have been taken, the others are gone.
    mutating func readMissed(_ ids: some Sequence<MessageID>) {
        for id in ids { suspects.remove(id) }
    }

    /// PostgreSQL came back as another incarnation.
    mutating func incarnationChanged() {
        floor = nil
        suspects = []
        handedOut.incarnationChanged()
    }

    mutating func tick(at now: NIODeadline) { handedOut.tick(at: now) }
}
