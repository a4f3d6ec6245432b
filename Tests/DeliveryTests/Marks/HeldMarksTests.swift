import BelfryModel
import NIOConcurrencyHelpers
import Testing

@testable import Delivery

/// Marks whose rows another transaction holds.
@Suite struct HeldMarksTests {
    @Test func whatIsHeldDelaysNothingButItself() {
        var queue = MarkQueue(marksMax: 10)
        queue.delivered(.mark(1))
        queue.delivered(.mark(2, of: "bob"))
        for id in 1...2 { queue.whenCommitted([MessageID(rawValue: Int64(id))], done: { _ in }) }
        let first = queue.write(holding: [1])
        #expect(first.committed == [2])
        #expect(first.settled.map(\.waiter.ids) == [[MessageID(rawValue: 2)]])
        #expect(queue.hasHeld && !queue.isEmpty)
        #expect(queue.pendingCount == 0, "what is held, and who waits for it, stops nobody from being read")
        #expect(queue.pending.answered == [MessageID(rawValue: 1)])
        queue.retryHeld()
        let second = queue.write(holding: [1])
        #expect(second.committed.isEmpty && second.settled.isEmpty)
        queue.retryHeld()
        let third = queue.write()
        #expect(third.committed == [1])
        #expect(third.settled.map(\.isCommitted) == [true])
        #expect(queue.isEmpty)
    }

    @Test func disconnectWaitsForAllOfItsUsers() {
        var queue = MarkQueue(marksMax: 10)
        queue.delivered(.mark(1))
        queue.whenCommitted([], user: "ann", done: { _ in })
        queue.whenCommitted([], user: "bob", done: { _ in })
        #expect(queue.write(holding: [1]).settled.map(\.waiter.user) == ["bob"])
        queue.retryHeld()
        #expect(queue.write().settled.map(\.waiter.user) == ["ann"])
    }

    /// The row of a session says that its user may have seen what is not marked yet.
    @Test func aSessionEndsOnlyAfterItsUsersMarks() {
        var queue = MarkQueue(marksMax: 10)
        queue.delivered(.mark(1))
        queue.ended(.end("ann's", [2]))
        queue.ended(.end("bob's", [3], of: "bob"))
        // What she leaves is marked now; the row of her session goes with the mark that is held.
        #expect(queue.write(holding: [1]).committed == [2, 3])
        #expect(!queue.isEmpty)
        queue.retryHeld()
        #expect(queue.write(holding: [1]).committed.isEmpty)
        queue.retryHeld()
        #expect(queue.commitNext() == .delivered([.mark(1)]))
        queue.retryHeld()
        #expect(queue.commitNext() == .ended([.end("ann's", [])]))
        #expect(queue.isEmpty)
    }

    /// A client may come and go while an application holds a message's row.
    @Test func ofManySessionsThatEndOneStays() {
        var queue = MarkQueue(marksMax: 10)
        queue.ended(.end("first", [1]))
        _ = queue.write(holding: [1])
        for session in ["second", "third"] {
            queue.ended(.end(session, [2]))
            #expect(queue.commitNext() == .ended([.end(session, [2])]), "the first one's row says all that it would")
        }
        queue.retryHeld()
        #expect(queue.write().committed == [1])
        queue.retryHeld()
        #expect(queue.commitNext() == .ended([.end("first", [])]))
        #expect(queue.isEmpty)
    }

    /// A row that may not be there says nothing.
    @Test func ofManySessionsThatEndOneWhoseRowIsThereStays() {
        var queue = MarkQueue(marksMax: 10)
        queue.delivered(.mark(1))
        queue.ended(.end("perhaps", [], isRowCertain: false))
        _ = queue.write(holding: [1])
        queue.ended(.end("there", []))
        _ = queue.begin()
        #expect(queue.next() == nil, "neither goes yet")
        _ = queue.batchEnded()
        var gone: [String?] = []
        for held: Set<Int64> in [[1], [], []] {
            queue.retryHeld()
            _ = queue.begin()
            while let work = queue.next() {
                if case .ended(let ends) = work { gone += ends.map(\.sessionID) }
                queue.committed(leaving: MarkQueue.ids(work).filter(held.contains).map { MessageID(rawValue: $0) })
            }
            _ = queue.batchEnded()
        }
        #expect(gone == ["perhaps", "there"])
        #expect(queue.isEmpty)
    }

    /// However many are held, what is new goes first and nobody waits for them.
    @Test func manyHeldMarksDelayNothingNew() {
        var queue = MarkQueue(marksMax: 100)
        for id in 1...5_000 { queue.delivered(.mark(id)) }
        _ = queue.write(holding: Set(1...5_000))
        for round in 0..<20 {
            queue.retryHeld()
            queue.delivered(.mark(10_000 + round, of: "bob"))
            queue.whenCommitted([MessageID(rawValue: Int64(10_000 + round))], done: { _ in })
            _ = queue.begin()
            #expect(queue.next() == .delivered([.mark(10_000 + round, of: "bob")]))
            queue.committed(leaving: [])
            var tried = 0
            while let work = queue.next() {
                tried += MarkQueue.ids(work).count
                queue.committed(leaving: MarkQueue.ids(work).map { MessageID(rawValue: $0) })
            }
            #expect((1...1_000).contains(tried))
            #expect(queue.batchEnded().count == 1)
        }
        // By turns all of them are tried.
        var committed: Set<Int64> = []
        for _ in 0..<10 {
            queue.retryHeld()
            committed.formUnion(queue.write().committed)
        }
        #expect(committed.count == 5_000 && queue.isEmpty)
    }

    /// A client that subscribes and unsubscribes gives the same message back each time.
    @Test func whatIsGivenBackAgainIsHeldOnce() {
        var queue = MarkQueue(marksMax: 100)
        for _ in 0..<1_000 {
            queue.ended(.end(nil, [1, 2]))
            _ = queue.write(holding: [1])
        }
        #expect(queue.pending.handedBack == [MessageID(rawValue: 1)])
        queue.retryHeld()
        #expect(queue.write().committed == [1])
        #expect(queue.isEmpty)
    }

    @Test func ofASessionsMessagesOnlyTheHeldOneComesAgain() {
        var queue = MarkQueue(marksMax: 10)
        queue.ended(.end("one", [1, 2, 3]))
        #expect(queue.write(holding: [2]).committed == [1, 3])
        queue.retryHeld()
        #expect(queue.write().committed == [2])
        queue.retryHeld()
        _ = queue.begin()
        #expect(queue.next() == .ended([.end("one", [])]), "its row goes last")
    }

    /// An application may hold a row for hours; clients ask for receipts, go, and come again.
    @Test func whoWaitsForWhatIsHeldHoldsUpNobodyAndIsForgottenWhenGone() {
        var queue = MarkQueue(marksMax: 10)
        let isGone = NIOLockedValueBox(false)
        queue.delivered(.mark(1))
        for _ in 0..<1_000 {
            queue.whenCommitted(
                [MessageID(rawValue: 1)], user: "gone", isWanted: { isGone.withLockedValue { !$0 } }, done: { _ in })
        }
        queue.whenCommitted([MessageID(rawValue: 1)], user: "stays", done: { _ in })
        #expect(queue.pendingCount == 1_002)
        #expect(queue.write(holding: [1]).settled.isEmpty)
        #expect(queue.pendingCount == 0)
        isGone.withLockedValue { $0 = true }
        queue.retryHeld()
        #expect(queue.write(holding: [1]).settled.isEmpty)
        queue.retryHeld()
        #expect(queue.write().settled.map(\.waiter.user) == ["stays"])
        #expect(queue.isEmpty)
    }
}
