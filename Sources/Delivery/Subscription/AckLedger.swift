import BelfryModel
import DequeModule

/// What is in flight on one subscription: sent and neither acknowledged nor refused, in the order of sending.
///
/// One message may be in flight twice, when its row was stamped again meanwhile; an ACK takes the earlier of the two,
/// so that it never covers what the client had not yet seen.
public struct AckLedger: Sendable {
    /// Entries for which an empty ledger keeps its storage; a subscription that rests after a burst gives it back.
    private static let keptCapacity = 16

    public let mode: AckMode
    private var entries = Deque<MessageStamp>()
    /// The highest id among the entries, or higher; while empty, lower than any id.
    private var highest = Int64.min
    /// Whether the ids rise from entry to entry, as they nearly always do; then a search can halve.
    private var isAscending = true
    /// The most entries since the storage was last given back.
    private var peak = 0

    public init(mode: AckMode) {
        self.mode = mode
    }

    public var count: Int { entries.count }
    /// In the order of sending.
    public var all: [MessageStamp] { Array(entries) }

    /// Notes a message just sent.
    public mutating func append(_ entry: MessageStamp) {
        if entry.id.rawValue > highest {
            highest = entry.id.rawValue
        } else {
            isAscending = false
        }
        entries.append(entry)
        peak = max(peak, entries.count)
    }

    /// Whether the message is in flight, whatever its xid. At once when `id` is above everything sent; else by search.
    public func contains(_ id: MessageID) -> Bool {
        index(of: id) != nil
    }

    /// The same, of a message that may share its id with one that a crash of PostgreSQL has undone.
    public func contains(_ id: MessageID, createdAtMicroseconds: Int64) -> Bool {
        guard let index = index(of: id) else { return false }
        // An id is twice in flight only where the order does not rise.
        return entries[index].createdAtMicroseconds == createdAtMicroseconds
            || !isAscending
                && entries[index...].contains { $0.id == id && $0.createdAtMicroseconds == createdAtMicroseconds }
    }

    /// An ACK came, or a NACK, which takes the same entries ("STOMP 1.2, NACK"). Returns what it takes out of flight,
    /// in the order of sending; nothing when `id` is not in flight.
    public mutating func take(_ id: MessageID) -> [MessageStamp] {
        guard let index = index(of: id) else { return [] }
        let taken: [MessageStamp]
        if mode.isCumulative {
            taken = Array(entries[...index])
            entries.removeFirst(index + 1)
        } else {
            taken = [entries.remove(at: index)]
        }
        if entries.isEmpty { becameEmpty() }
        return taken
    }

    /// What `take` would take.
    public func covered(by id: MessageID) -> [MessageStamp] {
        guard let index = index(of: id) else { return [] }
        return mode.isCumulative ? Array(entries[...index]) : [entries[index]]
    }

    /// Takes one message out of flight, in whatever mode.
    public mutating func remove(_ stamp: MessageStamp) {
        guard let index = entries.firstIndex(of: stamp) else { return }
        entries.remove(at: index)
        if entries.isEmpty { becameEmpty() }
    }

    /// Empties the ledger, at the end of the subscription. Returns all entries in the order of sending.
    public mutating func drain() -> [MessageStamp] {
        let all = Array(entries)
        entries = Deque()
        becameEmpty()
        return all
    }

    private mutating func becameEmpty() {
        highest = .min
        isAscending = true
        if peak > Self.keptCapacity { entries = Deque() }
        peak = 0
    }

    private func index(of id: MessageID) -> Int? {
        guard let first = entries.first, id.rawValue <= highest else { return nil }
        // ACKs mostly come in the order of sending.
        if first.id == id { return 0 }
        return isAscending ? halvingSearch(for: id) : entries.firstIndex { $0.id == id }
    }

    private func halvingSearch(for id: MessageID) -> Int? {
        var low = 0
        var high = entries.count
        while low < high {
            let middle = (low + high) / 2
            if entries[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < entries.count && entries[low].id == id ? low : nil
    }
}
