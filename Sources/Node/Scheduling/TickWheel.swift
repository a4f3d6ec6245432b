import NIOCore

/// When whom to look at next: one timer a loop instead of one a session, and no walk over sessions that want nothing.
///
/// Time is cut into ticks, and a ring of slots holds who is due in which. What lies beyond the ring is filed in its
/// last slot and filed anew from there. Pure.
struct TickWheel {
    /// The length of a tick.
    static let tick = TimeAmount.milliseconds(250)
    private static let slotsCount = 256

    private let start: NIODeadline
    private var slots = [[SessionID]](repeating: [], count: slotsCount)
    /// The last tick that was dealt with.
    private var current = 0

    init(start: NIODeadline) { self.start = start }

    /// Files somebody for the first tick that is not before `deadline`, the next one at the earliest.
    ///
    /// - Parameter filed: the tick in which they are filed already, if any.
    /// - Returns: the tick in which they are filed now: the earlier of the two.
    mutating func file(_ id: SessionID, at deadline: NIODeadline, filed: Int?) -> Int {
        let due = Int(((deadline - start).nanoseconds + Self.tick.nanoseconds - 1) / Self.tick.nanoseconds)
        let tick = min(max(due, current + 1), current + Self.slotsCount - 1)
        if let filed, filed > current, filed <= tick { return filed }
        slots[tick % Self.slotsCount].append(id)
        return tick
    }

    /// Takes out who is due by `now`, with the tick in which they were filed. Somebody who was filed again for an
    /// earlier tick is in there twice: only the tick that `file` returned last counts.
    mutating func due(at now: NIODeadline) -> [(id: SessionID, tick: Int)] {
        let last = Int((now - start).nanoseconds / Self.tick.nanoseconds)
        var due: [(id: SessionID, tick: Int)] = []
        while current < last {
            current += 1
            let slot = current % Self.slotsCount
            guard !slots[slot].isEmpty else { continue }
            due += slots[slot].map { ($0, current) }
            slots[slot] = []
        }
        return due
    }
}
