import BelfryModel

/// The delivery marks of one event loop on their way to PostgreSQL: gathered, written by one statement at a time in the
/// order of their kinds, kept until PostgreSQL has committed them. Pure bookkeeping; whoever has a store runs the
/// statements.
///
/// What a statement leaves out because another transaction holds its row is held back, and comes again with a later
/// batch; it delays nothing but itself, and what waits for it. A statement that PostgreSQL refuses is taken apart until
/// the faulty mark is alone, and that one is given up, or put aside.
public struct MarkQueue {
    /// One statement's worth.
    public enum Work: Equatable, Sendable {
        case delivered([DeliveryMark])
        case refused([DeliveryMark])
        case ended([SessionEnd])

        public var count: Int {
            switch self {
            case .delivered(let marks), .refused(let marks): marks.count
            case .ended(let ends): ends.count
            }
        }
    }

    /// What somebody waits for.
    public struct Waiter {
        public let ids: [MessageID]
        /// Wait also for whatever of this user's is held back.
        public let user: String?
        /// Whether anybody still waits. Asked now and then, so that who is gone is forgotten.
        public let isWanted: @Sendable () -> Bool
        /// Told whether all of it was committed; false when PostgreSQL refused some of it for good.
        public let done: @Sendable (Bool) -> Void
    }

    /// Waiters and how they fared.
    public typealias Settled = [(waiter: Waiter, isCommitted: Bool)]

    private struct Batch {
        var delivered: [DeliveryMark] = []
        var refused: [DeliveryMark] = []
        var ended: [SessionEnd] = []
        var waiters: [Waiter] = []

        /// Messages that the ended left.
        var unacknowledgedCount = 0

        var isEmpty: Bool { delivered.isEmpty && refused.isEmpty && ended.isEmpty && waiters.isEmpty }
        var count: Int { delivered.count + refused.count + ended.count + unacknowledgedCount }
    }

    /// Held marks that are tried again with one batch.
    private static let heldPerBatch = 1_000
    /// Marks of one batch that PostgreSQL refuses one after the other, and no other taken, after which it is not the
    /// marks' fault.
    private static let refusalsMax = 8

    private let marksMax: Int
    private var gathering = Batch()
    /// The statements of the batch in flight that have not committed, the next one last; `nil` when none is in flight.
    private var inFlight: [Work]?
    private var waitersInFlight: [Waiter] = []
    private var inFlightCount = 0
    private var held = HeldMarks()
    private var triesHeld = false
    private var heldWaiters: [Waiter] = []
    /// Marks that had left `held` when its waiters were last looked at; `nil` when they are to be looked at.
    private var removalsSeen: Int?
    /// What was given up while somebody waits, and whose it was.
    private var failed: Set<MessageID> = []
    private var failedUsers: Set<String> = []
    private var refusals = 0
    /// Statements that have committed something.
    private var commits = 0
    /// Marks that were refused alone, and how many statements had committed something then.
    private var refusedAt: [MessageID: Int] = [:]

    public init(marksMax: Int) { self.marksMax = marksMax }

    // MARK: Questions

    /// Marks not yet committed and those who wait for them, as a peer may ask for many receipts and be gone. What
    /// another transaction holds, and who waits for that, is left aside: it must not hold up others.
    public var pendingCount: Int {
        gathering.count + inFlightCount + gathering.waiters.count + waitersInFlight.count
    }
    public var isEmpty: Bool { gathering.isEmpty && inFlight == nil && held.isEmpty && heldWaiters.isEmpty }
    public var isFull: Bool { gathering.delivered.count >= marksMax }
    public var isWriting: Bool { inFlight != nil }
    /// Whether there are held marks to be tried again.
    public var hasHeld: Bool { held.hasTurns }

    /// Whether marks are held.
    public var holdsMarks: Bool { held.hasMarks }

    /// Whether the message was acknowledged or refused, and its mark is held, whatever transaction stamped it since.
    public func holdsAnswer(_ id: MessageID, createdAtMicroseconds: Int64? = nil) -> Bool {
        held.isAnswered(id, createdAtMicroseconds: createdAtMicroseconds)
    }

    /// Whether the message was given back, and the mark that says so is held.
    public func holdsGivenBack(_ id: MessageID) -> Bool { held.isGivenBack(id) }

    /// Messages that were answered or given back and are not marked yet.
    public var pending: PendingMarks {
        var answered = Set((gathering.delivered + gathering.refused).lazy.map(\.id))
        var handedBack = Set(gathering.ended.lazy.flatMap(\.unacknowledged))
        answered.formUnion(held.answeredIDs)
        handedBack.formUnion(held.givenBackIDs)
        for work in inFlight ?? [] {
            switch work {
            case .delivered(let marks), .refused(let marks): answered.formUnion(marks.lazy.map(\.id))
            case .ended(let ends): handedBack.formUnion(ends.lazy.flatMap(\.unacknowledged))
            }
        }
        return PendingMarks(answered: answered, handedBack: handedBack)
    }

    // MARK: Gathering

    public mutating func delivered(_ mark: DeliveryMark) { gathering.delivered.append(mark) }
    public mutating func refused(_ mark: DeliveryMark) { gathering.refused.append(mark) }
    public mutating func ended(_ end: SessionEnd) {
        gathering.ended.append(end)
        gathering.unacknowledgedCount += end.unacknowledged.count
    }

    /// Runs `done` once everything gathered up to now has committed, but for what is held back: of that it waits for
    /// `ids`, and for all of `user`'s, as long as it `isWanted`.
    public mutating func whenCommitted(
        _ ids: [MessageID], user: String? = nil, isWanted: @escaping @Sendable () -> Bool = { true },
        done: @escaping @Sendable (Bool) -> Void
    ) {
        gathering.waiters.append(Waiter(ids: ids, user: user, isWanted: isWanted, done: done))
    }

    /// Some of what was held back is tried again with the next batch, behind what is new.
    public mutating func retryHeld() { triesHeld = held.hasTurns }

    // MARK: Writing

    /// Takes what was gathered as the batch to write; `false` when there is none, or one is being written.
    public mutating func begin() -> Bool {
        guard inFlight == nil, !gathering.isEmpty || triesHeld else { return false }
        var work = triesHeld ? heldWork() : []
        if triesHeld { removalsSeen = nil }
        triesHeld = false
        if gathering.delivered.count > marksMax {
            // Too many for one statement: the rest, and what must come after it, stays for the next.
            work.append(.delivered(Array(gathering.delivered.prefix(marksMax))))
            gathering.delivered.removeFirst(marksMax)
        } else {
            work += Self.work(gathering.delivered, gathering.refused, gathering.ended)
            waitersInFlight = gathering.waiters
            gathering = Batch()
        }
        inFlight = work
        inFlightCount = work.reduce(0) { $0 + $1.count }
        refusals = 0
        return true
    }

    private mutating func heldWork() -> [Work] {
        let turn = held.takeTurn(atMost: Self.heldPerBatch)
        return Self.work(turn.delivered, turn.refused, turn.ended)
    }

    /// The statements for these, the one that is run first last.
    private static func work(
        _ delivered: [DeliveryMark], _ refused: [DeliveryMark], _ ended: [SessionEnd]
    ) -> [Work] {
        [.ended(ended), .refused(refused), .delivered(delivered)].filter { $0.count > 0 }
    }

    /// The statement to run next; `nil` when the batch is through.
    public mutating func next() -> Work? {
        guard case .ended(let ends)? = inFlight?.last, !held.isEmpty else { return inFlight?.last }
        // A session's row says that its user may have seen what is not marked yet, so one of the user's stays; what the
        // session leaves is marked now.
        var now: [SessionEnd] = []
        for end in ends {
            if end.sessionID != nil, held.keepsRow(of: end) {
                if end.unacknowledged.isEmpty { continue }
                now.append(SessionEnd(sessionID: nil, receiver: end.receiver, unacknowledged: end.unacknowledged))
            } else {
                now.append(end)
            }
        }
        inFlight?.removeLast()
        guard !now.isEmpty else { return inFlight?.last }
        inFlight?.append(.ended(now))
        return .ended(now)
    }

    /// The statement has committed, but for the messages `left` whose rows are held.
    public mutating func committed(leaving left: [MessageID]) {
        guard let work = inFlight?.popLast() else { return }
        refusals = 0
        if left.count < work.count { commits += 1 }
        settle(work, leaving: Set(left))
    }

    private mutating func settle(_ work: Work, leaving left: Set<MessageID>, wasRefused: Bool = false) {
        guard !left.isEmpty || !held.isEmpty || wasRefused else { return }
        if !refusedAt.isEmpty { for id in work.ids where !left.contains(id) { refusedAt[id] = nil } }
        switch work {
        case .delivered(let marks):
            for mark in marks {
                if left.contains(mark.id) { held.insert(delivered: mark) } else { held.remove(delivered: mark.id) }
            }
        case .refused(let marks):
            for mark in marks {
                if left.contains(mark.id) { held.insert(refused: mark) } else { held.remove(refused: mark.id) }
            }
        case .ended(let ends):
            for end in ends {
                var isHeld = false
                for id in end.unacknowledged {
                    if left.contains(id) {
                        held.insert(givenBack: id, of: end.receiver)
                        isHeld = true
                    } else {
                        held.remove(givenBack: id)
                    }
                }
                // One that was refused without any message is tried again as well.
                if isHeld || end.unacknowledged.isEmpty && wasRefused, end.sessionID != nil { held.insert(rowOf: end) }
            }
        }
    }

    /// What is to be done about a statement that PostgreSQL refuses.
    public enum Refusal: Equatable {
        /// It was taken apart, or its mark was put aside to be tried again: the next statement can run.
        case goOn
        /// The mark, or what a session left, that is to blame was given up.
        case givenUp(Work)
        /// It is not the marks' fault: PostgreSQL takes none of them. The same again after a pause.
        case pause
    }

    /// PostgreSQL refused the statement, and would again.
    ///
    /// A mark that is alone is put aside, and comes again as one that is held does.
    ///
    /// - Parameter isFaultOfItsData: what the marks' rows hold is to blame. Refused once more, while others pass, it is
    ///   given up.
    public mutating func refusedByPostgres(isFaultOfItsData: Bool) -> Refusal {
        guard let work = inFlight?.popLast() else { return .goOn }
        if let halves = Self.halves(of: work) {
            inFlight? += halves
            return .goOn
        }
        refusals += 1
        guard refusals < Self.refusalsMax else {
            refusals = 0
            inFlight?.append(work)
            return .pause
        }
        let isFirst = work.ids.allSatisfy { refusedAt[$0] == nil }
        let othersPass = work.ids.contains { commits > refusedAt[$0, default: commits] }
        guard isFaultOfItsData, !isFirst, othersPass else {
            for id in work.ids where refusedAt[id] == nil { refusedAt[id] = commits }
            settle(work, leaving: Set(work.ids), wasRefused: true)
            return .goOn
        }
        giveUp(work)
        return .givenUp(work)
    }

    private mutating func giveUp(_ work: Work) {
        for id in work.ids { refusedAt[id] = nil }
        switch work {
        case .delivered(let marks):
            for mark in marks {
                failed.insert(mark.id)
                failedUsers.insert(mark.receiver)
                held.remove(delivered: mark.id)
            }
        case .refused(let marks):
            for mark in marks {
                failed.insert(mark.id)
                failedUsers.insert(mark.receiver)
                held.remove(refused: mark.id)
            }
        case .ended(let ends):
            for end in ends {
                // Without the message that is to blame the session's row can go: it waits for it among the held ones.
                for id in end.unacknowledged { held.remove(givenBack: id) }
            }
        }
    }

    /// Two statements in place of one, the first one last; `nil` when one mark is all there is.
    private static func halves(of work: Work) -> [Work]? {
        switch work {
        case .delivered(let marks) where marks.count > 1: halves(marks).map(Work.delivered)
        case .refused(let marks) where marks.count > 1: halves(marks).map(Work.refused)
        case .ended(let ends) where ends.count > 1: halves(ends).map(Work.ended)
        case .ended(let ends) where (ends.first?.unacknowledged.count ?? 0) > 1:
            // The session's row goes with the second half, once the first is marked.
            zip(halves(ends[0].unacknowledged), [ends[0].sessionID, nil]).map { ids, session in
                .ended([SessionEnd(sessionID: session, receiver: ends[0].receiver, unacknowledged: ids)])
            }
        case .delivered, .refused, .ended: nil
        }
    }

    /// The later half first, as the last is run next.
    private static func halves<Element>(_ elements: [Element]) -> [[Element]] {
        let middle = elements.count / 2
        return [Array(elements[middle...]), Array(elements[..<middle])]
    }

    /// The batch is through. Returns those whose wait is over.
    public mutating func batchEnded() -> Settled {
        inFlight = nil
        inFlightCount = 0
        var settled: Settled = []
        var waiting = exchange(&waitersInFlight, with: [])
        // Those who wait for what is held are looked at when some of that has gone or was tried.
        if removalsSeen != held.removals || !failed.isEmpty {
            waiting = exchange(&heldWaiters, with: []).filter { $0.isWanted() } + waiting
        }
        removalsSeen = held.removals
        for waiter in waiting {
            if hasFailed(waiter) {
                settled.append((waiter, false))
            } else if isHeldBack(waiter) {
                heldWaiters.append(waiter)
            } else {
                settled.append((waiter, true))
            }
        }
        // Those that are still gathered may wait for what was given up.
        if gathering.waiters.isEmpty {
            failed.removeAll()
            failedUsers.removeAll()
        }
        return settled
    }

    private func hasFailed(_ waiter: Waiter) -> Bool {
        guard !failed.isEmpty else { return false }
        if let user = waiter.user, failedUsers.contains(user) { return true }
        return waiter.ids.contains { failed.contains($0) }
    }

    private func isHeldBack(_ waiter: Waiter) -> Bool {
        guard !held.isEmpty else { return false }
        if let user = waiter.user, held.holds(user: user) { return true }
        return waiter.ids.contains { held.holds($0) }
    }
}

extension MarkQueue.Work {
    fileprivate var ids: [MessageID] {
        switch self {
        case .delivered(let marks), .refused(let marks): marks.map(\.id)
        case .ended(let ends): ends.flatMap(\.unacknowledged)
        }
    }
}
