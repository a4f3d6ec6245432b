import BelfryModel
import NIOCore

/// Which broadcasts of one topic an event loop has dealt with, so that what the bus lost can be told from what was
/// there before anybody here listened. Pure; fed with live messages and with what reconcile lists of the outbox.
///
/// Everything that the snapshot of the last look sees was either handed out here, or was published before the first
/// look, or is a suspect. In another incarnation of PostgreSQL that snapshot means nothing: the next look lists all
/// that was published since the first one, and what is not known to have been handed out was missed.
public struct TopicWatch {
    /// The snapshot of the last look into the outbox; `nil` before the first, and after another incarnation.
    public private(set) var covered: TransactionSnapshot?
    /// When the first look was, by PostgreSQL's clock.
    public private(set) var sinceMicroseconds: Int64?
    /// Rows that a look found and that have not come live.
    public private(set) var suspects: Set<MessageID> = []
    private var handedOut: RecentMessages

    /// - Parameter hold: how long a broadcast stays in the outbox after it was published.
    public init(now: NIODeadline, hold: TimeAmount = .seconds(60)) {
        handedOut = RecentMessages(entriesMax: 100_000, lifetime: max(.seconds(60), hold + .seconds(30)), now: now)
    }

    /// Whether the first look is done, of this incarnation of PostgreSQL: from then on nothing is missed.
    public var hasLooked: Bool { covered != nil }

    /// A message is there, live or read because it was missed. `false` when it is a repeat, or older than the first
    /// look.
    public mutating func take(_ stamp: MessageStamp) -> Bool {
        guard !handedOut.contains(stamp) else { return false }
        let isSuspect = suspects.remove(stamp.id) != nil
        if let covered, covered.sees(stamp.xid), !isSuspect { return false }
        handedOut.insert(stamp)
        return true
    }

    /// A look into the outbox has listed what the last one did not see or, where there is none to compare with, what
    /// the relay has not published yet and what it has published since the first look.
    ///
    /// - Parameter now: when the look was, by PostgreSQL's clock, in Unix microseconds.
    /// - Returns: the missed ones: suspects of an earlier look that have not come since, and while the bus is away all.
    public mutating func listed(
        _ rows: [MessageStamp], snapshot: TransactionSnapshot, at now: Int64, isBusAvailable: Bool
    ) -> [MessageID] {
        let isFirst = sinceMicroseconds == nil
        let earlier = suspects
        for row in rows where !isKnown(row) { suspects.insert(row.id) }
        if covered == nil { handedOut.forgetEarlierIncarnations() }
        covered = snapshot
        if isFirst {
            sinceMicroseconds = now
            return []
        }
        return (isBusAvailable ? earlier : suspects).sorted()
    }

    private mutating func isKnown(_ row: MessageStamp) -> Bool {
        guard covered == nil else { return handedOut.contains(row.id, xid: row.xid) }
        guard handedOut.knows(row) else { return false }
        // From now on by the stamp that it has in this incarnation.
        handedOut.insert(row)
        return true
    }

    /// Missed messages were read: those that were still there have been taken, the others are gone.
    public mutating func readMissed(_ ids: some Sequence<MessageID>) {
        for id in ids { suspects.remove(id) }
    }

    /// PostgreSQL came back as another incarnation.
    public mutating func incarnationChanged() {
        covered = nil
        suspects = []
        handedOut.incarnationChanged()
    }

    public mutating func tick(at now: NIODeadline) { handedOut.tick(at: now) }
}
