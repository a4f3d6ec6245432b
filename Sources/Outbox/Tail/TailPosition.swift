import BelfryModel

/// How far the log was read by one who follows it: which ids were looked at, which of them were not there, and the
/// snapshot of the last look. So each committed message is found once, in whatever order transactions commit.
///
/// Ids are given out in ascending order, before commits. An id that is passed over is a *hole*: rolled back, or in a
/// transaction that is open. A hole is looked at again when a transaction that may fill it has ended, and forgotten
/// when all of those have. Those are the transactions below its *bound*. It has none yet, and is looked at each time,
/// while a statement runs that may have taken the id and written no row yet, so that its transaction may have no id so
/// far.
///
/// A look reads in the order of ids all that its snapshot sees, up to where its page ends; so what was written after
/// another message's commit comes after that message.
struct TailPosition: Sendable {
    /// Ids that were passed over, both ends included.
    struct Hole: Sendable, Hashable {
        var low: Int64
        var high: Int64
        /// The xmax of the look that found it.
        let found: UInt64
        /// Transactions from this one on do not fill it.
        var bound: UInt64?
    }

    /// What one look answered.
    struct Answer: Sendable {
        var snapshot: TransactionSnapshot
        /// The oldest xmin of statements that run, after the snapshot was taken; `nil` when none does.
        var oldestStatement: UInt64?
        /// The id of the next transaction to have one, after that.
        var nextTransaction: UInt64
        /// The ids of the page, ascending.
        var ids: [Int64]
        /// Whether more was to be read than the page held.
        var isFull: Bool
    }

    /// What to look at: holes, or several of them with what is between, and as the last one all that is new.
    struct Ranges: Sendable, Equatable {
        var lows: [Int64] = []
        var highs: [Int64] = []
        /// To be looked at when a transaction below it has ended since the last look; 0: in any case.
        var bounds: [UInt64] = []

        mutating func append(_ low: Int64, _ high: Int64, _ bound: UInt64) {
            lows.append(low)
            highs.append(high)
            bounds.append(bound)
        }
    }

    /// The latest holes, which are looked at each by itself. What is before them is put together in so many ranges.
    static let singleMax = 4_000
    static let mergedMax = 100
    /// Holes without a bound; of more, the oldest get one, however long the statements run that could still fill them.
    /// As many can come in a page, so that those without one are looked at each by itself.
    static let unboundedMax = 2_000
    /// Holes that are remembered.
    static let holesMax = 1_000_000

    /// From here on nothing was looked at.
    private(set) var next: Int64
    /// Ascending, and so are their bounds; those without one are last.
    private(set) var holes: [Hole]
    /// Of the last look.
    private(set) var snapshot: TransactionSnapshot
    /// Holes from here on are to be looked at in any case, as the last page ended before them.
    private var pendingFrom = Int64.max
    private var oldestStatement: UInt64? = 0
    /// Holes that were forgotten, as they were too many.
    private(set) var forgotten = 0

    /// - Parameters:
    ///   - next: from where on to read.
    ///   - gaps: ids before it that `snapshot` did not see, ascending.
    ///   - nextTransaction: the id of the next transaction to have one, after the snapshot was taken.
    init(next: Int64, gaps: [ClosedRange<Int64>], snapshot: TransactionSnapshot, nextTransaction: UInt64) {
        self.next = next
        self.snapshot = snapshot
        holes = gaps.map { Hole(low: $0.lowerBound, high: $0.upperBound, found: snapshot.xmax) }
        for index in holes.indices.dropLast(Self.unboundedMax) { holes[index].bound = nextTransaction }
    }

    var ranges: Ranges {
        var ranges = Ranges()
        let merged = max(0, holes.count - Self.singleMax)
        let size = (merged + Self.mergedMax - 1) / Self.mergedMax
        var index = 0
        while index < holes.count {
            let end = index < merged ? min(index + size, merged) : index + 1
            let high = holes[end - 1].high
            var (low, bound) = (holes[index].low, holes[end - 1].bound ?? 0)
            // Where a page has ended inside, what is before it need not be read again for that.
            if low < pendingFrom, pendingFrom <= high {
                ranges.append(low, pendingFrom - 1, bound)
                low = pendingFrom
            }
            if low >= pendingFrom { bound = 0 }
            ranges.append(low, high, bound)
            index = end
        }
        // Nothing could be after the greatest id that there can be, so that one is left out.
        ranges.append(next, .max - 1, 0)
        return ranges
    }

    /// - Returns: those of the ids that were not there before, ascending.
    mutating func advance(_ answer: Answer) -> [Int64] {
        giveBounds(answer.nextTransaction)
        let new = fill(answer.ids)
        let known = next
        for id in new where id >= known {
            if id > next { holes.append(Hole(low: next, high: id - 1, found: answer.snapshot.xmax)) }
            next = id + 1
        }
        pendingFrom = .max
        if answer.isFull, let last = answer.ids.last, last < known { pendingFrom = last + 1 }
        snapshot = answer.snapshot
        oldestStatement = answer.oldestStatement ?? .max
        forget()
        return new
    }

    /// After the connection was lost, perhaps to another server, on which the last transactions may never have been.
    ///
    /// - Parameter highest: the greatest id in the log now; 0 for none.
    mutating func resume(highest: Int64) {
        guard highest < .max, highest + 1 < next else { return }
        next = highest + 1
        holes.removeAll { $0.low >= next }
        if let last = holes.indices.last { holes[last].high = min(holes[last].high, highest) }
    }

    /// Whoever could fill a hole has an id by now, if every statement that ran when it was found is over.
    private mutating func giveBounds(_ next: UInt64) {
        let first = holes.firstIndex { $0.bound == nil } ?? holes.count
        let surplus = holes.count - Self.unboundedMax
        for index in first..<holes.count {
            guard (oldestStatement ?? .max) > holes[index].found || index < surplus else { return }
            holes[index].bound = next
        }
    }

    /// Takes ids out of the holes.
    /// - Returns: those that were in one, or are beyond what was looked at.
    private mutating func fill(_ ids: [Int64]) -> [Int64] {
        guard let first = ids.first, first < next else { return ids }
        var new: [Int64] = []
        var left: [Hole] = []
        left.reserveCapacity(holes.count)
        var index = ids.startIndex
        for hole in holes {
            while index < ids.endIndex, ids[index] < hole.low { index += 1 }
            var rest = hole
            while index < ids.endIndex, ids[index] <= hole.high {
                let id = ids[index]
                new.append(id)
                if rest.low < id {
                    var before = rest
                    before.high = id - 1
                    left.append(before)
                }
                rest.low = id + 1
                index += 1
            }
            if rest.low <= rest.high { left.append(rest) }
        }
        holes = left
        return new + ids[index...]
    }

    private mutating func forget() {
        // Looked at after the last of these transactions had ended: in this look, or in those before.
        var over = holes.prefix { ($0.bound ?? .max) <= snapshot.xmin && $0.high < pendingFrom }.count
        if holes.count - over > Self.holesMax {
            let surplus = holes.count - Self.holesMax
            forgotten += surplus - over
            over = surplus
        }
        holes.removeFirst(over)
    }
}
