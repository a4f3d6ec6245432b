import BelfryModel
import Outbox

/// The delivery marks of one event loop on their way to PostgreSQL: gathered, written by one statement at a time in the
/// order of their kinds, kept until PostgreSQL has committed them. Pure bookkeeping; the shard runs the statements.
///
/// What a statement leaves out because another transaction holds its row is held back, and comes again with a later batch; it
/// delays nothing but itself, and what waits for it. A statement that PostgreSQL refuses for good is taken apart until the
/// faulty mark is alone, and that one is given up.
struct MarkQueue {
    /// One statement's worth.
    enum Work: Equatable {
        case delivered([DeliveryMark])
        case refused([DeliveryMark])
        case ended([SessionEnd])

        var count: Int {
            switch self {
            case .delivered(let marks), .refused(let marks): marks.count
            case .ended(let ends): ends.count
            }
        }
    }

    /// What somebody waits for.
    struct Waiter {
        let ids: [MessageID]
        /// Wait also for whatever of this user's is held back.
        let user: String?
        /// Told whether all of it was committed; false when PostgreSQL refused some of it for good.
        let done: @Sendable (Bool) -> Void
    }

    /// Waiters and how they fared.
    typealias Settled = [(waiter: Waiter, isCommitted: Bool)]

    private struct Batch {
        var delivered: [DeliveryMark] = []
        var refused: [DeliveryMark] = []
        var ended: [SessionEnd] = []
        var waiters: [Waiter] = []

        var isEmpty: Bool { delivered.isEmpty && refused.isEmpty && ended.isEmpty && waiters.isEmpty }
        var count: Int { delivered.count + refused.count + ended.reduce(0) { $0 + 1 + $1.unacknowledged.count } }
    }

    private let marksMax: Int
    private var gathering = Batch()
    /// The statements of the batch in flight that have not committed, the next one last; `nil` when none is in flight.
    private var inFlight: [Work]?
    private var waitersInFlight: [Waiter] = []
    private var inFlightCount = 0
    /// Marks that a statement left out, until they are gathered again.
    private var held = Batch()
    /// Marks that were left out and have not committed since, wherever they are, by id.
    private var heldUsers: [MessageID: String] = [:]
    private var heldWaiters: [Waiter] = []
    private var failed: Set<MessageID> = []

    init(marksMax: Int) { self.marksMax = marksMax }

    // MARK: Questions

    /// Marks not yet committed.
    var pendingCount: Int { gathering.count + inFlightCount + held.count }
    var isEmpty: Bool { gathering.isEmpty && inFlight == nil && held.isEmpty && heldWaiters.isEmpty }
    var isFull: Bool { gathering.delivered.count >= marksMax }
    var isWriting: Bool { inFlight != nil }
    var hasHeld: Bool { !held.isEmpty }

    /// Ids of messages that were acknowledged or refused and are not marked yet.
    var pendingIDs: Set<MessageID> {
        var ids = Set((gathering.delivered + gathering.refused + held.delivered + held.refused).lazy.map(\.id))
        for case .delivered(let marks) in inFlight ?? [] { ids.formUnion(marks.lazy.map(\.id)) }
        for case .refused(let marks) in inFlight ?? [] { ids.formUnion(marks.lazy.map(\.id)) }
        return ids
    }

    // MARK: Gathering

    mutating func delivered(_ mark: DeliveryMark) { gathering.delivered.append(mark) }
    mutating func refused(_ mark: DeliveryMark) { gathering.refused.append(mark) }
    mutating func ended(_ end: SessionEnd) { gathering.ended.append(end) }

    /// Runs `done` once everything gathered up to now has committed, but for what is held back: of that it waits for `ids`, and
    /// for all of `user`'s.
    mutating func whenCommitted(
        _ ids: [MessageID], user: String? = nil, done: @escaping @Sendable (Bool) -> Void
    ) {
        gathering.waiters.append(Waiter(ids: ids, user: user, done: done))
    }

    /// What was held back is tried again with the next batch.
    mutating func retryHeld() {
        gathering.delivered += held.delivered
        gathering.refused += held.refused
        gathering.ended += held.ended
        held = Batch()
    }

    // MARK: Writing

    /// Takes what was gathered as the batch to write; `false` when there is none, or one is being written.
    mutating func begin() -> Bool {
        guard inFlight == nil, !gathering.isEmpty else { return false }
        var work: [Work] = []
        if gathering.delivered.count > marksMax {
            // Too many for one statement: the rest, and what must come after it, stays for the next.
            work = [.delivered(Array(gathering.delivered.prefix(marksMax)))]
            gathering.delivered.removeFirst(marksMax)
        } else {
            if !gathering.ended.isEmpty { work.append(.ended(gathering.ended)) }
            if !gathering.refused.isEmpty { work.append(.refused(gathering.refused)) }
            if !gathering.delivered.isEmpty { work.append(.delivered(gathering.delivered)) }
            waitersInFlight = gathering.waiters
            gathering = Batch()
        }
        inFlight = work
        inFlightCount = work.reduce(0) { $0 + $1.count }
        return true
    }

    /// The statement to run next; `nil` when the batch is through.
    mutating func next() -> Work? {
        guard case .ended(let ends)? = inFlight?.last, !heldUsers.isEmpty else { return inFlight?.last }
        // A session's row says that its user may have seen what is not marked yet.
        let users = Set(heldUsers.values)
        let (late, now) = (ends.filter { users.contains($0.receiver) }, ends.filter { !users.contains($0.receiver) })
        held.ended += late
        inFlight?.removeLast()
        guard !now.isEmpty else { return inFlight?.last }
        inFlight?.append(.ended(now))
        return .ended(now)
    }

    /// The statement has committed, but for the messages `left` whose rows are held.
    mutating func committed(leaving left: [MessageID]) {
        guard let work = inFlight?.popLast() else { return }
        let left = Set(left)
        switch work {
        case .delivered(let marks):
            note(marks, left)
            if !left.isEmpty { held.delivered += marks.filter { left.contains($0.id) } }
        case .refused(let marks):
            note(marks, left)
            if !left.isEmpty { held.refused += marks.filter { left.contains($0.id) } }
        case .ended(let ends):
            guard !left.isEmpty else { return }
            for end in ends {
                let rest = end.unacknowledged.filter { left.contains($0) }
                guard !rest.isEmpty else { continue }
                held.ended.append(
                    SessionEnd(sessionID: end.sessionID, receiver: end.receiver, unacknowledged: rest))
            }
        }
    }

    private mutating func note(_ marks: [DeliveryMark], _ left: Set<MessageID>) {
        guard !left.isEmpty || !heldUsers.isEmpty else { return }
        for mark in marks {
            if left.contains(mark.id) { heldUsers[mark.id] = mark.receiver } else { heldUsers[mark.id] = nil }
        }
    }

    /// PostgreSQL refused the statement for good.
    ///
    /// - Returns: the mark or the session's end that is to blame and was given up; `nil` when the statement was only taken apart.
    mutating func refusedForGood() -> Work? {
        guard let work = inFlight?.popLast() else { return nil }
        switch work {
        case .delivered(let marks) where marks.count > 1:
            for half in Self.halves(marks) { inFlight?.append(.delivered(half)) }
        case .refused(let marks) where marks.count > 1:
            for half in Self.halves(marks) { inFlight?.append(.refused(half)) }
        case .ended(let ends) where ends.count > 1:
            for half in Self.halves(ends) { inFlight?.append(.ended(half)) }
        case .ended(let ends) where (ends.first?.unacknowledged.count ?? 0) > 1:
            // The session's row goes with the second half, once the first is marked.
            guard let end = ends.first else { break }
            let halves = Self.halves(end.unacknowledged)
            inFlight?.append(
                .ended([SessionEnd(sessionID: end.sessionID, receiver: end.receiver, unacknowledged: halves[0])]))
            inFlight?.append(
                .ended([SessionEnd(sessionID: nil, receiver: end.receiver, unacknowledged: halves[1])]))
        case .ended(let ends):
            // Without the message that is to blame the session's row can go.
            if let end = ends.first, end.sessionID != nil, !end.unacknowledged.isEmpty {
                inFlight?.append(
                    .ended([SessionEnd(sessionID: end.sessionID, receiver: end.receiver, unacknowledged: [])]))
            }
            return work
        case .delivered(let marks), .refused(let marks):
            for mark in marks {
                failed.insert(mark.id)
                heldUsers[mark.id] = nil
            }
            return work
        }
        return nil
    }

    /// The later half first, as the last is run next.
    private static func halves<Element>(_ elements: [Element]) -> [[Element]] {
        let middle = elements.count / 2
        return [Array(elements[middle...]), Array(elements[..<middle])]
    }

    /// The batch is through. Returns those whose wait is over.
    mutating func batchEnded() -> Settled {
        inFlight = nil
        inFlightCount = 0
        var settled: Settled = []
        let waiting = heldWaiters + waitersInFlight
        heldWaiters = []
        waitersInFlight = []
        for waiter in waiting {
            if !failed.isEmpty, waiter.ids.contains(where: { failed.contains($0) }) {
                settled.append((waiter, false))
            } else if isHeldBack(waiter) {
                heldWaiters.append(waiter)
            } else {
                settled.append((waiter, true))
            }
        }
        failed.removeAll()
        return settled
    }

    private func isHeldBack(_ waiter: Waiter) -> Bool {
        guard !heldUsers.isEmpty else { return false }
        if let user = waiter.user, heldUsers.values.contains(user) { return true }
        return waiter.ids.contains { heldUsers[$0] != nil }
    }
}
