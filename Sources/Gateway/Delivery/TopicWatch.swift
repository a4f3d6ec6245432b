import BelfryModel
import NIOCore

/// Which broadcasts of one topic an event loop has dealt with, so that what the bus lost can be told from what was there
/// before anybody here listened. Pure; fed with live messages and with what reconcile lists of the outbox.
///
/// Everything that the `floor` sees was either handed out here, or was published before the first look, or is a suspect.
struct TopicWatch {
    /// The snapshot of the last look into the outbox; `nil` before the first.
    private(set) var floor: TransactionSnapshot?
    /// Rows that a look found and that have not come live, by id with their xid.
    private(set) var suspects: [MessageID: UInt64] = [:]
    private var handedOut: RecentlyAcknowledged

    init(now: NIODeadline) {
        handedOut = RecentlyAcknowledged(entriesMax: 100_000, lifetime: .seconds(60), now: now)
    }

    /// Whether the first look is done: from then on nothing is missed.
    var hasLooked: Bool { floor != nil }

    /// A message is there, live or read because it was missed. `false` when it is a repeat, or older than the first look.
    mutating func take(_ id: MessageID, xid: UInt64) -> Bool {
        guard !handedOut.contains(id, xid: xid) else { return false }
        let isSuspect = suspects.removeValue(forKey: id) != nil
        if let floor, floor.sees(xid), !isSuspect { return false }
        handedOut.insert(id, xid: xid)
        return true
    }

    /// A look into the outbox: rows that the floor does not see or, the first time, that the relay has not published yet.
    /// Returns the missed ones: suspects of an earlier look that have not come since, and while the bus is away all.
    mutating func listed(
        _ rows: [(id: MessageID, xid: UInt64)], snapshot: TransactionSnapshot, isBusAvailable: Bool
    ) -> [MessageID] {
        let isFirst = floor == nil
        let earlier = Array(suspects.keys)
        for row in rows where !handedOut.contains(row.id, xid: row.xid) { suspects[row.id] = row.xid }
        floor = snapshot
        if isFirst { return [] }
        return (isBusAvailable ? earlier : Array(suspects.keys)).sorted()
    }

    /// Missed messages were read: those that were still there have been taken, the others are gone.
    mutating func readMissed(_ ids: some Sequence<MessageID>) {
        for id in ids { suspects[id] = nil }
    }

    /// PostgreSQL came back as another incarnation: the next look is a first one.
    mutating func reset() {
        floor = nil
        suspects = [:]
    }

    mutating func tick(at now: NIODeadline) { handedOut.tick(at: now) }
}
