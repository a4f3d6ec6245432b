import BelfryModel
import NIOConcurrencyHelpers
import Outbox
import Testing

@testable import Gateway

@Suite struct MarkQueueTests {
    private static func mark(_ id: Int, of user: String = "ann") -> DeliveryMark {
        DeliveryMark(id: MessageID(rawValue: Int64(id)), receiver: user, xid: 1, createdAtMicroseconds: Int64(id))
    }

    private static func end(_ session: String?, _ ids: [Int], of user: String = "ann") -> SessionEnd {
        SessionEnd(sessionID: session, receiver: user, unacknowledged: ids.map { MessageID(rawValue: Int64($0)) })
    }

    private static func ids(_ work: MarkQueue.Work?) -> [Int64] {
        switch work {
        case .delivered(let marks), .refused(let marks): marks.map(\.id.rawValue)
        case .ended(let ends): ends.flatMap(\.unacknowledged).map(\.rawValue)
        case nil: []
        }
    }

    /// Writes batches until there is nothing to write, as a PostgreSQL does that leaves out `held` and refuses what holds `faulty`.
    ///
    /// - Returns: the ids that were committed, those that were given up, and how waiters fared.
    private func write(
        _ queue: inout MarkQueue, holding held: Set<Int64> = [], refusing faulty: Set<Int64> = []
    ) -> (committed: [Int64], givenUp: [Int64], settled: MarkQueue.Settled) {
        var (committed, givenUp): ([Int64], [Int64]) = ([], [])
        var settled: MarkQueue.Settled = []
        while queue.begin() {
            while let work = queue.next() {
                let ids = Self.ids(work)
                if !faulty.isDisjoint(with: ids) {
                    givenUp += Self.ids(queue.refusedForGood())
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
        #expect(queue.pendingIDs == [1, 5].reduce(into: []) { $0.insert(MessageID(rawValue: $1)) })
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

    // MARK: What another transaction holds

    @Test func whatIsHeldDelaysNothingButItself() {
        var queue = MarkQueue(marksMax: 10)
        queue.delivered(Self.mark(1))
        queue.delivered(Self.mark(2, of: "bob"))
        for id in 1...2 { queue.whenCommitted([MessageID(rawValue: Int64(id))], done: { _ in }) }
        let first = write(&queue, holding: [1])
        #expect(first.committed == [2])
        #expect(first.settled.map(\.waiter.ids) == [[MessageID(rawValue: 2)]])
        #expect(queue.hasHeld && !queue.isEmpty && queue.pendingCount == 1)
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
        #expect(write(&queue, holding: [1]).committed == [3])
        queue.retryHeld()
        #expect(write(&queue).committed == [1, 2])
        #expect(queue.isEmpty)
    }

    @Test func ofASessionsMessagesOnlyTheHeldOneComesAgain() {
        var queue = MarkQueue(marksMax: 10)
        queue.ended(Self.end("one", [1, 2, 3]))
        #expect(write(&queue, holding: [2]).committed == [1, 3])
        queue.retryHeld()
        _ = queue.begin()
        #expect(queue.next() == .ended([Self.end("one", [2])]))
    }

    // MARK: What PostgreSQL refuses

    @Test(arguments: 1...9) func theFaultyMarkIsFoundAndTheOthersCommit(faulty: Int) {
        var queue = MarkQueue(marksMax: 100)
        for id in 1...9 { queue.delivered(Self.mark(id)) }
        for id in 11...12 { queue.refused(Self.mark(id)) }
        for id in [1, faulty, 9] { queue.whenCommitted([MessageID(rawValue: Int64(id))], done: { _ in }) }
        let written = write(&queue, refusing: [Int64(faulty)])
        #expect(written.givenUp == [Int64(faulty)])
        #expect(written.committed.sorted() == ((1...9).filter { $0 != faulty } + [11, 12]).map(Int64.init))
        #expect(
            written.settled.allSatisfy { settled in
                settled.isCommitted == !settled.waiter.ids.contains(MessageID(rawValue: Int64(faulty)))
            })
        #expect(queue.isEmpty)
    }

    @Test func ofASessionsEndOnlyTheFaultyMessageIsGivenUp() {
        var queue = MarkQueue(marksMax: 100)
        queue.ended(Self.end("one", [1, 2, 3, 4, 5]))
        queue.ended(Self.end("two", [6], of: "bob"))
        var ended: [String] = []
        var committed: [Int64] = []
        _ = queue.begin()
        while let work = queue.next() {
            guard !Self.ids(work).contains(3) else {
                _ = queue.refusedForGood()
                continue
            }
            committed += Self.ids(work)
            if case .ended(let ends) = work { ended += ends.compactMap(\.sessionID) }
            queue.committed(leaving: [])
        }
        _ = queue.batchEnded()
        #expect(committed.sorted() == [1, 2, 4, 5, 6])
        #expect(ended.sorted() == ["one", "two"])
        #expect(queue.isEmpty)
    }
}
