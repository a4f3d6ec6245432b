import BelfryModel
import NIOConcurrencyHelpers
import Testing

@testable import Delivery

@Suite struct MarkQueueTests {
    private static func mark(_ id: Int, of user: String = "ann") -> DeliveryMark {
        DeliveryMark(id: MessageID(rawValue: Int64(id)), receiver: user, xid: 1, createdAtMicroseconds: Int64(id))
    }

    private static func end(
        _ session: String?, _ ids: [Int], of user: String = "ann", isRowCertain: Bool = true
    ) -> SessionEnd {
        SessionEnd(
            sessionID: session, isRowCertain: isRowCertain, receiver: user,
            unacknowledged: ids.map { MessageID(rawValue: Int64($0)) })
    }

    private static func ids(_ work: MarkQueue.Work?) -> [Int64] {
        switch work {
        case .delivered(let marks), .refused(let marks): marks.map(\.id.rawValue)
        case .ended(let ends): ends.flatMap(\.unacknowledged).map(\.rawValue)
        case nil: []
        }
    }

    /// Writes batches until there is nothing to write, as a PostgreSQL does that leaves out `held` and refuses what
    /// holds `faulty`.
    ///
    /// - Returns: the ids that were committed, those that were given up, and how waiters fared.
    private func write(
        _ queue: inout MarkQueue, holding held: Set<Int64> = [], refusing faulty: Set<Int64> = [], isFault: Bool = true
    ) -> (committed: [Int64], givenUp: [Int64], settled: MarkQueue.Settled) {
        var (committed, givenUp): ([Int64], [Int64]) = ([], [])
        var settled: MarkQueue.Settled = []
        while queue.begin() {
            while let work = queue.next() {
                let ids = Self.ids(work)
                if !faulty.isDisjoint(with: ids) {
                    if case .givenUp(let work) = queue.refusedByPostgres(isFaultOfItsData: isFault) {
                        givenUp += Self.ids(work)
                    }
                } else {
                    committed += ids.filter { !held.contains($0) }
                    queue.committed(leaving: ids.filter { held.contains($0) }.map { MessageID(rawValue: $0) })
                }
            }
            settled += queue.batchEnded()
        }
        return (committed, givenUp, settled)
    }

    @Test func nothingGatheredIsNothingToWrite() {
        var queue = MarkQueue(marksMax: 10)
        let begins = queue.begin()
        #expect(queue.isEmpty && !begins && queue.pendingCount == 0)
    }

    @Test func oneStatementForEachKindInTheirOrder() {
        var queue = MarkQueue(marksMax: 10)
        queue.ended(Self.end("one", [7]))
        queue.refused(Self.mark(5))
        queue.delivered(Self.mark(1))
        #expect(queue.pendingCount == 4)
        #expect(queue.pending.answered == [1, 5].reduce(into: []) { $0.insert(MessageID(rawValue: $1)) })
        var kinds: [MarkQueue.Work] = []
        _ = queue.begin()
        while let work = queue.next() {
            kinds.append(work)
            queue.committed(leaving: [])
        }
        _ = queue.batchEnded()
        #expect(kinds == [.delivered([Self.mark(1)]), .refused([Self.mark(5)]), .ended([Self.end("one", [7])])])
        #expect(queue.isEmpty)
    }

    @Test func oneBatchAtATimeAndNoneLargerThanTheLimit() {
        var queue = MarkQueue(marksMax: 10)
        for id in 1...25 { queue.delivered(Self.mark(id)) }
        #expect(queue.isFull)
        var sizes: [Int] = []
        while queue.begin() {
            let beginsTwice = queue.begin()
            #expect(!beginsTwice && queue.isWriting)
            sizes.append(Self.ids(queue.next()).count)
            queue.committed(leaving: [])
            _ = queue.batchEnded()
        }
        #expect(sizes == [10, 10, 5])
        #expect(queue.isEmpty)
    }

    @Test func aReceiptWaitsForEveryMarkMadeBeforeIt() {
        var queue = MarkQueue(marksMax: 10)
        for id in 1...25 { queue.delivered(Self.mark(id)) }
        queue.whenCommitted([], done: { _ in })
        var (batches, answeredAt) = (0, 0)
        while queue.begin() {
            batches += 1
            while queue.next() != nil { queue.committed(leaving: []) }
            if !queue.batchEnded().isEmpty { answeredAt = batches }
        }
        #expect((batches, answeredAt) == (3, 3))
    }

    @Test func aReceiptWithNothingBeforeItNeedsATurnOfItsOwn() {
        var queue = MarkQueue(marksMax: 10)
        queue.whenCommitted([], done: { _ in })
        #expect(!queue.isEmpty)
        #expect(write(&queue).settled.count == 1)
    }

    /// A peer may ask for receipts of what is no mark, be gone, and come again.
    @Test func thoseWhoWaitCountAsPending() {
        var queue = MarkQueue(marksMax: 10)
        for id in 1...5 { queue.whenCommitted([MessageID(rawValue: Int64(id))], done: { _ in }) }
        #expect(queue.pendingCount == 5)
        let begins = queue.begin()
        #expect(begins && queue.pendingCount == 5, "while a batch is under way")
        _ = write(&queue)
        _ = queue.batchEnded()
        #expect(queue.pendingCount == 0)
    }

    // MARK: What another transaction holds

    @Test func whatIsHeldDelaysNothingButItself() {
        var queue = MarkQueue(marksMax: 10)
        queue.delivered(Self.mark(1))
        queue.delivered(Self.mark(2, of: "bob"))
        for id in 1...2 { queue.whenCommitted([MessageID(rawValue: Int64(id))], done: { _ in }) }
        let first = write(&queue, holding: [1])
        #expect(first.committed == [2])
        #expect(first.settled.map(\.waiter.ids) == [[MessageID(rawValue: 2)]])
        #expect(queue.hasHeld && !queue.isEmpty)
        #expect(queue.pendingCount == 0, "what is held, and who waits for it, stops nobody from being read")
        #expect(queue.pending.answered == [MessageID(rawValue: 1)])
        queue.retryHeld()
        let second = write(&queue, holding: [1])
        #expect(second.committed.isEmpty && second.settled.isEmpty)
        queue.retryHeld()
        let third = write(&queue)
        #expect(third.committed == [1])
        #expect(third.settled.map(\.isCommitted) == [true])
        #expect(queue.isEmpty)
    }

    @Test func disconnectWaitsForAllOfItsUsers() {
        var queue = MarkQueue(marksMax: 10)
        queue.delivered(Self.mark(1))
        queue.whenCommitted([], user: "ann", done: { _ in })
        queue.whenCommitted([], user: "bob", done: { _ in })
        #expect(write(&queue, holding: [1]).settled.map(\.waiter.user) == ["bob"])
        queue.retryHeld()
        #expect(write(&queue).settled.map(\.waiter.user) == ["ann"])
    }

    /// The row of a session says that its user may have seen what is not marked yet.
    @Test func aSessionEndsOnlyAfterItsUsersMarks() {
        var queue = MarkQueue(marksMax: 10)
        queue.delivered(Self.mark(1))
        queue.ended(Self.end("ann's", [2]))
        queue.ended(Self.end("bob's", [3], of: "bob"))
        // What she leaves is marked now; the row of her session goes with the mark that is held.
        #expect(write(&queue, holding: [1]).committed == [2, 3])
        #expect(!queue.isEmpty)
        queue.retryHeld()
        #expect(write(&queue, holding: [1]).committed.isEmpty)
        queue.retryHeld()
        _ = queue.begin()
        #expect(queue.next() == .delivered([Self.mark(1)]))
        queue.committed(leaving: [])
        _ = queue.batchEnded()
        queue.retryHeld()
        _ = queue.begin()
        #expect(queue.next() == .ended([Self.end("ann's", [])]))
        queue.committed(leaving: [])
        _ = queue.batchEnded()
        #expect(queue.isEmpty)
    }

    /// A client may come and go while an application holds a message's row.
    @Test func ofManySessionsThatEndOneStays() {
        var queue = MarkQueue(marksMax: 10)
        queue.ended(Self.end("first", [1]))
        _ = write(&queue, holding: [1])
        for session in ["second", "third"] {
            queue.ended(Self.end(session, [2]))
            _ = queue.begin()
            #expect(queue.next() == .ended([Self.end(session, [2])]), "the first one's row says all that it would")
            queue.committed(leaving: [])
            _ = queue.batchEnded()
        }
        queue.retryHeld()
        #expect(write(&queue).committed == [1])
        queue.retryHeld()
        _ = queue.begin()
        #expect(queue.next() == .ended([Self.end("first", [])]))
        queue.committed(leaving: [])
        _ = queue.batchEnded()
        #expect(queue.isEmpty)
    }

    /// A row that may not be there says nothing.
    @Test func ofManySessionsThatEndOneWhoseRowIsThereStays() {
        var queue = MarkQueue(marksMax: 10)
        queue.delivered(Self.mark(1))
        queue.ended(Self.end("perhaps", [], isRowCertain: false))
        _ = write(&queue, holding: [1])
        queue.ended(Self.end("there", []))
        _ = queue.begin()
        #expect(queue.next() == nil, "neither goes yet")
        _ = queue.batchEnded()
        var gone: [String?] = []
        for held: Set<Int64> in [[1], [], []] {
            queue.retryHeld()
            _ = queue.begin()
            while let work = queue.next() {
                if case .ended(let ends) = work { gone += ends.map(\.sessionID) }
                queue.committed(leaving: Self.ids(work).filter(held.contains).map { MessageID(rawValue: $0) })
            }
            _ = queue.batchEnded()
        }
        #expect(gone == ["perhaps", "there"])
        #expect(queue.isEmpty)
    }

    /// However many are held, what is new goes first and nobody waits for them.
    @Test func manyHeldMarksDelayNothingNew() {
        var queue = MarkQueue(marksMax: 100)
        for id in 1...5_000 { queue.delivered(Self.mark(id)) }
        _ = write(&queue, holding: Set(1...5_000))
        for round in 0..<20 {
            queue.retryHeld()
            queue.delivered(Self.mark(10_000 + round, of: "bob"))
            queue.whenCommitted([MessageID(rawValue: Int64(10_000 + round))], done: { _ in })
            _ = queue.begin()
            #expect(queue.next() == .delivered([Self.mark(10_000 + round, of: "bob")]))
            queue.committed(leaving: [])
            var tried = 0
            while let work = queue.next() {
                tried += Self.ids(work).count
                queue.committed(leaving: Self.ids(work).map { MessageID(rawValue: $0) })
            }
            #expect((1...1_000).contains(tried))
            #expect(queue.batchEnded().count == 1)
        }
        // By turns all of them are tried.
        var committed: Set<Int64> = []
        for _ in 0..<10 {
            queue.retryHeld()
            committed.formUnion(write(&queue).committed)
        }
        #expect(committed.count == 5_000 && queue.isEmpty)
    }

    /// A client that subscribes and unsubscribes gives the same message back each time.
    @Test func whatIsGivenBackAgainIsHeldOnce() {
        var queue = MarkQueue(marksMax: 100)
        for _ in 0..<1_000 {
            queue.ended(Self.end(nil, [1, 2]))
            _ = write(&queue, holding: [1])
        }
        #expect(queue.pending.handedBack == [MessageID(rawValue: 1)])
        queue.retryHeld()
        #expect(write(&queue).committed == [1])
        #expect(queue.isEmpty)
    }

    @Test func ofASessionsMessagesOnlyTheHeldOneComesAgain() {
        var queue = MarkQueue(marksMax: 10)
        queue.ended(Self.end("one", [1, 2, 3]))
        #expect(write(&queue, holding: [2]).committed == [1, 3])
        queue.retryHeld()
        #expect(write(&queue).committed == [2])
        queue.retryHeld()
        _ = queue.begin()
        #expect(queue.next() == .ended([Self.end("one", [])]), "its row goes last")
    }

    /// An application may hold a row for hours; clients ask for receipts, go, and come again.
    @Test func whoWaitsForWhatIsHeldHoldsUpNobodyAndIsForgottenWhenGone() {
        var queue = MarkQueue(marksMax: 10)
        let isGone = NIOLockedValueBox(false)
        queue.delivered(Self.mark(1))
        for _ in 0..<1_000 {
            queue.whenCommitted(
                [MessageID(rawValue: 1)], user: "gone", isWanted: { isGone.withLockedValue { !$0 } }, done: { _ in })
        }
        queue.whenCommitted([MessageID(rawValue: 1)], user: "stays", done: { _ in })
        #expect(queue.pendingCount == 1_002)
        #expect(write(&queue, holding: [1]).settled.isEmpty)
        #expect(queue.pendingCount == 0)
        isGone.withLockedValue { $0 = true }
        queue.retryHeld()
        #expect(write(&queue, holding: [1]).settled.isEmpty)
        queue.retryHeld()
        #expect(write(&queue).settled.map(\.waiter.user) == ["stays"])
        #expect(queue.isEmpty)
    }

    // MARK: What PostgreSQL refuses

    /// DISCONNECT's receipt says that all marks of its user are committed.
    @Test func whoWaitsForAUserHearsOfWhatWasGivenUp() {
        var queue = MarkQueue(marksMax: 10)
        for (id, user) in [(1, "ann"), (2, "bob")] { queue.delivered(Self.mark(id, of: user)) }
        _ = write(&queue, refusing: [1])
        // Refused once more, while others pass.
        queue.delivered(Self.mark(3, of: "bob"))
        for user in ["ann", "bob"] { queue.whenCommitted([], user: user, done: { _ in }) }
        queue.retryHeld()
        let written = write(&queue, refusing: [1])
        #expect(written.givenUp == [1])
        #expect(
            Dictionary(uniqueKeysWithValues: written.settled.map { ($0.waiter.user, $0.isCommitted) })
                == ["ann": false, "bob": true])
    }

    @Test func anEndWithoutMessagesThatIsRefusedIsTriedAgain() {
        var queue = MarkQueue(marksMax: 10)
        queue.ended(Self.end("one", []))
        _ = queue.begin()
        #expect(queue.refusedByPostgres(isFaultOfItsData: true) == .goOn)
        _ = queue.batchEnded()
        #expect(!queue.isEmpty)
        queue.retryHeld()
        _ = queue.begin()
        #expect(queue.next() == .ended([Self.end("one", [])]))
        queue.committed(leaving: [])
        _ = queue.batchEnded()
        #expect(queue.isEmpty)
    }

    @Test(arguments: 1...9) func theFaultyMarkIsFoundAndTheOthersCommit(faulty: Int) {
        var queue = MarkQueue(marksMax: 100)
        for id in 1...9 { queue.delivered(Self.mark(id)) }
        for id in 11...12 { queue.refused(Self.mark(id)) }
        for id in [1, faulty, 9] { queue.whenCommitted([MessageID(rawValue: Int64(id))], done: { _ in }) }
        var written = write(&queue, refusing: [Int64(faulty)])
        #expect(written.givenUp.isEmpty, "it comes once more")
        queue.retryHeld()
        let again = write(&queue, refusing: [Int64(faulty)])
        #expect(again.givenUp == [Int64(faulty)])
        written.settled += again.settled
        #expect(written.settled.count == 3)
        #expect(written.committed.sorted() == ((1...9).filter { $0 != faulty } + [11, 12]).map(Int64.init))
        #expect(
            written.settled.allSatisfy { settled in
                settled.isCommitted == !settled.waiter.ids.contains(MessageID(rawValue: Int64(faulty)))
            })
        #expect(queue.isEmpty)
    }

    /// It may be the row's fault or the moment's: the mark comes again, and stops nobody else's.
    @Test func whatIsRefusedForAnotherReasonIsPutAside() {
        var queue = MarkQueue(marksMax: 100)
        for id in 1...9 { queue.delivered(Self.mark(id)) }
        for id in [4, 9] { queue.whenCommitted([MessageID(rawValue: Int64(id))], done: { _ in }) }
        let first = write(&queue, refusing: [4], isFault: false)
        #expect(first.givenUp.isEmpty)
        #expect(first.committed.sorted() == (1...9).filter { $0 != 4 }.map(Int64.init))
        #expect(first.settled.map(\.waiter.ids) == [[MessageID(rawValue: 9)]])
        queue.retryHeld()
        #expect(write(&queue).committed == [4])
    }

    /// A right that was taken away, say: nothing is given up for it.
    @Test func whereAllAreRefusedNoneIsToBlame() {
        var queue = MarkQueue(marksMax: 1_000)
        for id in 1...500 { queue.delivered(Self.mark(id)) }
        _ = queue.begin()
        var (pauses, givenUp, statements) = (0, 0, 0)
        while pauses == 0, queue.next() != nil {
            statements += 1
            switch queue.refusedByPostgres(isFaultOfItsData: true) {
            case .goOn: break
            case .givenUp: givenUp += 1
            case .pause: pauses += 1
            }
        }
        #expect(givenUp == 0 && statements < 50)
        var committed = 0
        while let work = queue.next() {
            committed += Self.ids(work).count
            queue.committed(leaving: [])
        }
        _ = queue.batchEnded()
        queue.retryHeld()
        #expect(committed + write(&queue).committed.count == 500)
    }

    /// The receipts of a batch that was too large for one statement are in a later one.
    @Test func aReceiptOfWhatWasGivenUpFailsHoweverLateItsBatchIs() {
        var queue = MarkQueue(marksMax: 10)
        for id in 1...25 { queue.delivered(Self.mark(id)) }
        queue.whenCommitted([MessageID(rawValue: 3)], done: { _ in })
        var settled = write(&queue, refusing: [3]).settled
        queue.retryHeld()
        settled += write(&queue, refusing: [3]).settled
        #expect(settled.map(\.isCommitted) == [false])
    }

    @Test func ofASessionsEndOnlyTheFaultyMessageIsGivenUp() {
        var queue = MarkQueue(marksMax: 100)
        queue.ended(Self.end("one", [1, 2, 3, 4, 5]))
        queue.ended(Self.end("two", [6], of: "bob"))
        let first = write(&queue, refusing: [3])
        #expect(first.committed.sorted() == [1, 2, 4, 5, 6])
        queue.retryHeld()
        #expect(write(&queue, refusing: [3]).givenUp == [3])
        // Its row goes without the faulty one.
        queue.retryHeld()
        _ = queue.begin()
        #expect(queue.next() == .ended([Self.end("one", [])]))
        queue.committed(leaving: [])
        _ = queue.batchEnded()
        #expect(queue.isEmpty)
    }
}
