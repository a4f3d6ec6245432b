import BelfryModel
import NIOCore

/// Messages that one event loop has dealt with of late, by id. Two generations, swapped every `lifetime`, so that forgetting
/// costs nothing per entry; bounded by `entriesMax` in each.
///
/// A message is known by its id and by when it was written, as a crash of PostgreSQL may have ids given out a second time.
/// Sent again on purpose (after a NACK, by a replay) it has a higher transaction id: what has the same one or a lower one is
/// a repeat. That holds within one incarnation; of an entry from before `incarnationChanged` any copy is a repeat.
struct RecentMessages {
    private struct Entry {
        let createdAtMicroseconds: Int64
        let xid: UInt64
        let incarnation: UInt32
    }

    private let entriesMax: Int
    /// An entry is remembered for at least this long, and at most twice as long.
    private let lifetime: TimeAmount
    private var young: [MessageID: Entry] = [:]
    private var old: [MessageID: Entry] = [:]
    private var swappedAt: NIODeadline
    /// Counts the incarnations seen.
    private var incarnation: UInt32 = 0

    init(entriesMax: Int, lifetime: TimeAmount = .seconds(60), now: NIODeadline) {
        self.entriesMax = entriesMax
        self.lifetime = lifetime
        self.swappedAt = now
    }

    mutating func insert(_ id: MessageID, xid: UInt64, createdAtMicroseconds: Int64) {
        if young.count >= entriesMax { swap() }
        let entry = Entry(createdAtMicroseconds: createdAtMicroseconds, xid: xid, incarnation: incarnation)
        guard let known = young.updateValue(entry, forKey: id) ?? (old.isEmpty ? nil : old[id]) else { return }
        // A late copy of an earlier stamp must not make a later one unknown.
        guard known.createdAtMicroseconds == createdAtMicroseconds, known.incarnation == incarnation, known.xid > xid
        else { return }
        young[id] = known
    }

    /// Whether the message, as stamped by `xid`, is a repeat.
    func contains(_ id: MessageID, xid: UInt64, createdAtMicroseconds: Int64) -> Bool {
        guard let entry = entry(id), entry.createdAtMicroseconds == createdAtMicroseconds else { return false }
        return entry.incarnation != incarnation || xid <= entry.xid
    }

    /// The same where the time of writing is not known.
    func contains(_ id: MessageID, xid: UInt64) -> Bool {
        guard let entry = entry(id) else { return false }
        return entry.incarnation != incarnation || xid <= entry.xid
    }

    /// Whether the message was dealt with, however it is stamped.
    func knows(_ id: MessageID, createdAtMicroseconds: Int64) -> Bool {
        entry(id)?.createdAtMicroseconds == createdAtMicroseconds
    }

    /// Transaction ids of the entries mean nothing from now on.
    mutating func incarnationChanged() { incarnation &+= 1 }

    /// Forgets the entries of earlier incarnations, but for those that `isKept` wants to keep.
    mutating func forgetEarlierIncarnations(keeping isKept: (MessageID) -> Bool = { _ in false }) {
        young = young.filter { $0.value.incarnation == incarnation || isKept($0.key) }
        old = old.filter { $0.value.incarnation == incarnation || isKept($0.key) }
    }

    /// Takes in what another one knows.
    mutating func formUnion(_ other: RecentMessages) {
        young.merge(other.old) { $1 }
        young.merge(other.young) { $1 }
    }

    var isEmpty: Bool { young.isEmpty && old.isEmpty }

    /// Forgets one entry, if it is of an earlier incarnation.
    mutating func forgetIfEarlier(_ id: MessageID) {
        guard let entry = entry(id), entry.incarnation != incarnation else { return }
        young[id] = nil
        old[id] = nil
    }

    /// Forgets what is older than `lifetime`, if it is time to.
    mutating func tick(at now: NIODeadline) {
        guard now - swappedAt >= lifetime else { return }
        swap()
        swappedAt = now
    }

    private func entry(_ id: MessageID) -> Entry? { young[id] ?? old[id] }

    private mutating func swap() {
        old = young
        young = [:]
    }
}
