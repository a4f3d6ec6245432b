import BelfryModel
import NIOCore

/// Messages that were dealt with of late, by id. Two generations, rotated every `lifetime`, so that forgetting costs
/// nothing per entry; bounded by `entriesMax` in each, those aside that a rotation is told to keep.
///
/// A message is known by its id and by when it was written, as a crash of PostgreSQL may have ids given out a second
/// time. Sent again on purpose (after a NACK, by a replay) it has a higher transaction id: what has the same one or a
/// lower one is a repeat. That holds within one incarnation; of an entry from before `incarnationChanged` any copy is a
/// repeat.
public struct RecentMessages {
    private struct Entry {
        let createdAtMicroseconds: Int64
        let xid: UInt64
        let incarnation: UInt32
    }

    private let entriesMax: Int
    /// An entry is remembered for at least this long unless there are too many, and at most twice as long unless it is
    /// kept.
    private let lifetime: TimeAmount
    private var young: [MessageID: Entry] = [:]
    private var old: [MessageID: Entry] = [:]
    /// Entries of `young` at which the generations are rotated.
    private var youngMax: Int
    private var rotatedAt: NIODeadline
    /// Counts the incarnations seen.
    private var incarnation: UInt32 = 0

    public init(entriesMax: Int, lifetime: TimeAmount = .seconds(60), now: NIODeadline) {
        self.entriesMax = entriesMax
        self.lifetime = lifetime
        self.youngMax = entriesMax
        self.rotatedAt = now
    }

    public var isEmpty: Bool { young.isEmpty && old.isEmpty }

    /// - Parameter kept: asked for when there are too many entries: those that must not be forgotten.
    public mutating func insert(_ stamp: MessageStamp, keeping kept: () -> Set<MessageID> = { [] }) {
        if young.count >= youngMax { rotate(keeping: kept()) }
        let entry = Entry(
            createdAtMicroseconds: stamp.createdAtMicroseconds, xid: stamp.xid, incarnation: incarnation)
        guard let known = young.updateValue(entry, forKey: stamp.id) ?? (old.isEmpty ? nil : old[stamp.id]) else {
            return
        }
        // A late copy of an earlier stamp must not make a later one unknown.
        guard known.createdAtMicroseconds == stamp.createdAtMicroseconds, known.incarnation == incarnation,
            known.xid > stamp.xid
        else { return }
        young[stamp.id] = known
    }

    /// Whether the message, as stamped, is a repeat.
    public func contains(_ stamp: MessageStamp) -> Bool {
        guard let entry = entry(stamp.id), entry.createdAtMicroseconds == stamp.createdAtMicroseconds else {
            return false
        }
        return entry.incarnation != incarnation || stamp.xid <= entry.xid
    }

    /// The same where the time of writing is not known.
    public func contains(_ id: MessageID, xid: UInt64) -> Bool {
        guard let entry = entry(id) else { return false }
        return entry.incarnation != incarnation || xid <= entry.xid
    }

    /// Whether the message was dealt with, whichever transaction stamped it.
    public func knows(_ stamp: MessageStamp) -> Bool {
        entry(stamp.id)?.createdAtMicroseconds == stamp.createdAtMicroseconds
    }

    /// Transaction ids of the entries mean nothing from now on.
    public mutating func incarnationChanged() { incarnation &+= 1 }

    /// Forgets the entries of earlier incarnations, but for those to be kept.
    public mutating func forgetEarlierIncarnations(keeping kept: Set<MessageID> = []) {
        young = young.filter { $0.value.incarnation == incarnation || kept.contains($0.key) }
        old = old.filter { $0.value.incarnation == incarnation || kept.contains($0.key) }
    }

    /// Takes in what another one knows.
    public mutating func formUnion(_ other: RecentMessages) {
        young.merge(other.old) { $1 }
        young.merge(other.young) { $1 }
    }

    /// Forgets one entry, if it is of an earlier incarnation.
    public mutating func forgetIfEarlier(_ id: MessageID) {
        guard let entry = entry(id), entry.incarnation != incarnation else { return }
        young[id] = nil
        old[id] = nil
    }

    /// Forgets what is older than `lifetime`, if it is time to, but for those to be kept.
    public mutating func tick(at now: NIODeadline, keeping kept: () -> Set<MessageID> = { [] }) {
        guard now - rotatedAt >= lifetime else { return }
        rotatedAt = now
        guard !isEmpty else { return }
        rotate(keeping: kept())
    }

    private func entry(_ id: MessageID) -> Entry? { young[id] ?? old[id] }

    private mutating func rotate(keeping kept: Set<MessageID>) {
        let leaving = old
        old = young
        young = kept.isEmpty ? [:] : leaving.filter { kept.contains($0.key) && old[$0.key] == nil }
        // Were the kept ones counted, many of them would have each insertion rotate.
        youngMax = young.count + entriesMax
    }
}
