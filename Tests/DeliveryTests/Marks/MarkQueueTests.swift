import BelfryModel
import Testing

@testable import Delivery

@Suite struct MarkQueueTests {
    @Test func nothingGatheredIsNothingToWrite() {
        var queue = MarkQueue(marksMax: 10)
        let begins = queue.begin()
        #expect(queue.isEmpty && !begins && queue.pendingCount == 0)
    }

    @Test func oneStatementForEachKindInTheirOrder() {
        var queue = MarkQueue(marksMax: 10)
        queue.ended(.end("one", [7]))
        queue.refused(.mark(5))
        queue.delivered(.mark(1))
        #expect(queue.pendingCount == 4)
        #expect(queue.pending.answered == [1, 5].reduce(into: []) { $0.insert(MessageID(rawValue: $1)) })
        var kinds: [MarkQueue.Work] = []
        _ = queue.begin()
        while let work = queue.next() {
            kinds.append(work)
            queue.committed(leaving: [])
        }
        _ = queue.batchEnded()
        #expect(kinds == [.delivered([.mark(1)]), .refused([.mark(5)]), .ended([.end("one", [7])])])
        #expect(queue.isEmpty)
    }

    @Test func oneBatchAtATimeAndNoneLargerThanTheLimit() {
        var queue = MarkQueue(marksMax: 10)
        for id in 1...25 { queue.delivered(.mark(id)) }
        #expect(queue.isFull)
        var sizes: [Int] = []
        while queue.begin() {
            let beginsTwice = queue.begin()
            #expect(!beginsTwice && queue.isWriting)
            sizes.append(MarkQueue.ids(queue.next()).count)
            queue.committed(leaving: [])
            _ = queue.batchEnded()
        }
        #expect(sizes == [10, 10, 5])
        #expect(queue.isEmpty)
    }

    @Test func aReceiptWaitsForEveryMarkMadeBeforeIt() {
        var queue = MarkQueue(marksMax: 10)
        for id in 1...25 { queue.delivered(.mark(id)) }
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
        #expect(queue.write().settled.count == 1)
    }

    /// A peer may ask for receipts of what is no mark, be gone, and come again.
    @Test func thoseWhoWaitCountAsPending() {
        var queue = MarkQueue(marksMax: 10)
        for id in 1...5 { queue.whenCommitted([MessageID(rawValue: Int64(id))], done: { _ in }) }
        #expect(queue.pendingCount == 5)
        let begins = queue.begin()
        #expect(begins && queue.pendingCount == 5, "while a batch is under way")
        _ = queue.write()
        _ = queue.batchEnded()
        #expect(queue.pendingCount == 0)
    }

    // MARK: What PostgreSQL refuses

    /// DISCONNECT's receipt says that all marks of its user are committed.
    @Test func whoWaitsForAUserHearsOfWhatWasGivenUp() {
        var queue = MarkQueue(marksMax: 10)
        for (id, user) in [(1, "ann"), (2, "bob")] { queue.delivered(.mark(id, of: user)) }
        _ = queue.write(refusing: [1])
        // Refused once more, while others pass.
        queue.delivered(.mark(3, of: "bob"))
        for user in ["ann", "bob"] { queue.whenCommitted([], user: user, done: { _ in }) }
        queue.retryHeld()
        let written = queue.write(refusing: [1])
        #expect(written.givenUp == [1])
        #expect(
            Dictionary(uniqueKeysWithValues: written.settled.map { ($0.waiter.user, $0.isCommitted) })
                == ["ann": false, "bob": true])
    }

    @Test func anEndWithoutMessagesThatIsRefusedIsTriedAgain() {
        var queue = MarkQueue(marksMax: 10)
        queue.ended(.end("one", []))
        _ = queue.begin()
        #expect(queue.refusedByPostgres(isFaultOfItsData: true) == .goOn)
        _ = queue.batchEnded()
        #expect(!queue.isEmpty)
        queue.retryHeld()
        #expect(queue.commitNext() == .ended([.end("one", [])]))
        #expect(queue.isEmpty)
    }

    @Test(arguments: 1...9) func theFaultyMarkIsFoundAndTheOthersCommit(faulty: Int) {
        var queue = MarkQueue(marksMax: 100)
        for id in 1...9 { queue.delivered(.mark(id)) }
        for id in 11...12 { queue.refused(.mark(id)) }
        for id in [1, faulty, 9] { queue.whenCommitted([MessageID(rawValue: Int64(id))], done: { _ in }) }
        var written = queue.write(refusing: [Int64(faulty)])
        #expect(written.givenUp.isEmpty, "it comes once more")
        queue.retryHeld()
        let again = queue.write(refusing: [Int64(faulty)])
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
        for id in 1...9 { queue.delivered(.mark(id)) }
        for id in [4, 9] { queue.whenCommitted([MessageID(rawValue: Int64(id))], done: { _ in }) }
        let first = queue.write(refusing: [4], isFault: false)
        #expect(first.givenUp.isEmpty)
        #expect(first.committed.sorted() == (1...9).filter { $0 != 4 }.map(Int64.init))
        #expect(first.settled.map(\.waiter.ids) == [[MessageID(rawValue: 9)]])
        queue.retryHeld()
        #expect(queue.write().committed == [4])
    }

    /// A right that was taken away, say: nothing is given up for it.
    @Test func whereAllAreRefusedNoneIsToBlame() {
        var queue = MarkQueue(marksMax: 1_000)
        for id in 1...500 { queue.delivered(.mark(id)) }
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
            committed += MarkQueue.ids(work).count
            queue.committed(leaving: [])
        }
        _ = queue.batchEnded()
        queue.retryHeld()
        #expect(committed + queue.write().committed.count == 500)
    }

    /// The receipts of a batch that was too large for one statement are in a later one.
    @Test func aReceiptOfWhatWasGivenUpFailsHoweverLateItsBatchIs() {
        var queue = MarkQueue(marksMax: 10)
        for id in 1...25 { queue.delivered(.mark(id)) }
        queue.whenCommitted([MessageID(rawValue: 3)], done: { _ in })
        var settled = queue.write(refusing: [3]).settled
        queue.retryHeld()
        settled += queue.write(refusing: [3]).settled
        #expect(settled.map(\.isCommitted) == [false])
    }

    @Test func ofASessionsEndOnlyTheFaultyMessageIsGivenUp() {
        var queue = MarkQueue(marksMax: 100)
        queue.ended(.end("one", [1, 2, 3, 4, 5]))
        queue.ended(.end("two", [6], of: "bob"))
        let first = queue.write(refusing: [3])
        #expect(first.committed.sorted() == [1, 2, 4, 5, 6])
        queue.retryHeld()
        #expect(queue.write(refusing: [3]).givenUp == [3])
        // Its row goes without the faulty one.
        queue.retryHeld()
        #expect(queue.commitNext() == .ended([.end("one", [])]))
        #expect(queue.isEmpty)
    }
}
