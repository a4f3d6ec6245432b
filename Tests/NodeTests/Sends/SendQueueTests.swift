import BelfryModel
import NIOCore
import Outbox
import Testing

@testable import Node

@Suite struct SendQueueTests {
    private static let sessions = (0..<10).map { SessionID(worker: $0) }
    private static let now = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private static func entry(
        _ number: Int, of session: Int = 0, rows: Int = 1, marks: Int = 0, bytes: Int = 0,
        waits: TimeAmount = .seconds(10)
    ) -> SendQueue.Entry {
        SendQueue.Entry(
            number: number, session: sessions[session],
            rows: (0..<rows).map { _ in
                SendRow(address: .topic("a"), type: "JSON_MSG", data: String(repeating: "1", count: bytes))
            },
            marks: (0..<marks).map {
                DeliveryMark(id: MessageID(rawValue: Int64($0 + 1)), receiver: "a", xid: 1, createdAtMicroseconds: 0)
            }, deadline: now + waits)
    }

    private static func queue(_ entries: SendQueue.Entry...) -> SendQueue {
        var queue = SendQueue()
        for entry in entries { queue.add(entry) }
        return queue
    }

    private static func numbers(_ entries: [SendQueue.Entry]?) -> [Int] { (entries ?? []).map(\.number) }

    @Test func manyGoTogetherAndTransactionsByThemselves() {
        var queue = Self.queue(
            Self.entry(1), Self.entry(2, of: 1), Self.entry(3, rows: 2), Self.entry(4), Self.entry(5, marks: 1),
            Self.entry(6))
        var batches: [[Int]] = []
        while let batch = queue.begin() {
            batches.append(batch.map(\.number))
            let second = queue.begin()
            #expect(second == nil, "one at a time")
            let committed = queue.committed()
            #expect(Self.numbers(committed) == Self.numbers(batch))
        }
        #expect(batches == [[1, 2], [3], [4], [5], [6]])
        #expect(queue.isEmpty && queue.byteCount == 0)
    }

    @Test func aStatementIsBoundedInRowsAndBytes() {
        var queue = SendQueue()
        for number in 0..<1_000 { queue.add(Self.entry(number, of: number % 10)) }
        var counts: [Int] = []
        while let batch = queue.begin() {
            counts.append(batch.count)
            _ = queue.committed()
        }
        // 64 of each, as far as 500 reach.
        #expect(counts == [500, 428, 72])
        for number in 0..<3 { queue.add(Self.entry(number, of: number, bytes: 700_000)) }
        let batch = queue.begin()
        #expect(Self.numbers(batch) == [0, 1])
    }

    @Test func oneThatSendsMuchHoldsUpNobodyForMoreThanAStatement() {
        var queue = SendQueue()
        for number in 0..<1_000 { queue.add(Self.entry(number)) }
        let first = queue.begin()
        #expect(Self.numbers(first) == Array(0..<64))
        queue.add(Self.entry(1_000, of: 1))
        queue.add(Self.entry(1_001, of: 2, rows: 3))
        _ = queue.committed()
        let second = queue.begin()
        #expect(Self.numbers(second) == Array(64..<128) + [1_000])
        _ = queue.committed()
        let third = queue.begin()
        #expect(Self.numbers(third) == [1_001], "a transaction has its turn, alone")
        _ = queue.committed()
        var rest: [Int] = []
        while let batch = queue.begin() {
            rest += batch.map(\.number)
            _ = queue.committed()
        }
        #expect(rest == Array(128..<1_000))
    }

    @Test func aSessionsBytesInAStatementAreBounded() {
        var queue = SendQueue()
        for number in 0..<3 { queue.add(Self.entry(number, bytes: 60_000)) }
        let batch = queue.begin()
        #expect(Self.numbers(batch) == [0, 1])
    }

    @Test func theOneToBlameIsFoundAndItsSessionsLaterOnesGoWithIt() {
        var queue = Self.queue(
            Self.entry(1), Self.entry(2, of: 1), Self.entry(3, of: 1), Self.entry(4), Self.entry(5, of: 1))
        queue.add(Self.entry(6, rows: 2))
        queue.add(Self.entry(7, of: 1))
        var (written, ended): ([Int], [Int]) = ([], [])
        while let batch = queue.begin() {
            if batch.contains(where: { $0.number == 2 }) {
                ended += queue.refused().map(\.number)
            } else {
                written += queue.committed().map(\.number)
            }
        }
        #expect(ended == [2, 3, 5, 7])
        #expect(written == [1, 4, 6])
        #expect(queue.isEmpty && queue.byteCount == 0)
    }

    @Test func oneThatWaitsForALockHoldsUpItsOwnSessionOnly() {
        var queue = Self.queue(Self.entry(1), Self.entry(2, of: 1), Self.entry(3), Self.entry(4, of: 1))
        var written: [Int] = []
        func run() {
            while let batch = queue.begin() {
                if batch.contains(where: { $0.number == 1 }) {
                    if queue.locked() { queue.add(Self.entry(5)) }
                } else {
                    written += queue.committed().map(\.number)
                }
            }
        }
        run()
        #expect(written == [2, 4])
        #expect(queue.hasAside && queue.count == 3)
        queue.retryAside(2)
        let again = queue.begin()
        #expect(Self.numbers(again) == [1], "what waited for the lock goes alone")
        queue.add(Self.entry(6))
        _ = queue.committed()
        let batch = queue.begin()
        #expect(Self.numbers(batch) == [3, 5, 6])
        _ = queue.committed()
        #expect(queue.isEmpty && queue.byteCount == 0)
    }

    @Test func manyThatWaitForLocksAreTriedAFewAtATimeInTurn() {
        var queue = SendQueue()
        for number in 0..<5 { queue.add(Self.entry(number, of: number, rows: 2)) }
        var tried: [Int] = []
        func run() {
            while let batch = queue.begin() {
                if batch[0].number < 5 {
                    tried.append(batch[0].number)
                    let isAside = queue.locked()
                    #expect(isAside)
                } else {
                    _ = queue.committed()
                }
            }
        }
        run()
        tried = []
        for _ in 0..<5 {
            queue.retryAside(2)
            run()
        }
        #expect(tried == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4])
        queue.add(Self.entry(9, of: 9))
        let fresh = queue.begin()
        #expect(Self.numbers(fresh) == [9])
    }

    @Test func whatWasNotSentIsTriedAgainInItsPlace() {
        var queue = Self.queue(Self.entry(1), Self.entry(2))
        _ = queue.begin()
        queue.add(Self.entry(3))
        queue.add(Self.entry(4, of: 1))
        queue.postponed()
        let again = queue.begin()
        #expect(Self.numbers(again) == [1, 2])
        let lost = queue.lost()
        #expect(Self.numbers(lost.unknown) == [1, 2])
        #expect(Self.numbers(lost.behind) == [3], "it must not be written before them")
        let last = queue.begin()
        #expect(Self.numbers(last) == [4])
    }

    @Test func whatHasWaitedTooLongLeavesWithWhatFollowsIt() {
        var queue = Self.queue(
            Self.entry(1, waits: .seconds(1)), Self.entry(2, of: 1, waits: .seconds(2)),
            Self.entry(3, waits: .seconds(9)))
        let early = queue.expired(at: Self.now + .milliseconds(999))
        #expect(early.isEmpty)
        let late = queue.expired(at: Self.now + .seconds(1))
        #expect(Set(Self.numbers(late)) == [1, 3])
        let batch = queue.begin()
        #expect(Self.numbers(batch) == [2])
        let written = queue.expired(at: Self.now + .seconds(5))
        #expect(written.isEmpty, "what is being written may be written")
        queue.postponed()
        let postponed = queue.expired(at: Self.now + .seconds(5))
        #expect(Self.numbers(postponed) == [2])
        #expect(queue.isEmpty && queue.byteCount == 0)
    }
}
