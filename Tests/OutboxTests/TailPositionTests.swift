import BelfryModel
import Testing

@testable import Outbox

/// Every committed message once, whatever the order in which transactions take ids, write, commit and roll back.
@Suite struct TailPositionTests {
    private static func snapshot(_ text: String) -> TransactionSnapshot { TransactionSnapshot(text)! }

    private static func answer(
        _ snapshot: String, ids: [Int64], next: UInt64, oldest: UInt64? = nil, isFull: Bool = false
    ) -> TailPosition.Answer {
        TailPosition.Answer(
            snapshot: Self.snapshot(snapshot), oldestStatement: oldest, nextTransaction: next, ids: ids, isFull: isFull)
    }

    @Test func `a hole is looked at again when a transaction below its bound has ended, forgotten after the last`() {
        var position = TailPosition(next: 1, gaps: [], snapshot: Self.snapshot("10:10:"), nextTransaction: 10)
        // 1 and 2 are in transaction 10, which is open; 11 has committed 3.
        #expect(position.advance(Self.answer("10:12:10", ids: [3], next: 12)) == [3])
        #expect(position.ranges == .init(lows: [1, 4], highs: [2, .max - 1], bounds: [0, 0]))
        // No statement runs any more: transaction 12 and later ones cannot have taken them.
        #expect(position.advance(Self.answer("10:12:10", ids: [], next: 12)) == [])
        #expect(position.ranges == .init(lows: [1, 4], highs: [2, .max - 1], bounds: [12, 0]))
        #expect(position.advance(Self.answer("10:15:10", ids: [4], next: 15)) == [4])
        #expect(position.holes.count == 1)
        #expect(position.advance(Self.answer("15:15:", ids: [1, 2], next: 15)) == [1, 2])
        #expect(position.holes.isEmpty && position.next == 5)
    }

    @Test func `a statement that has taken an id and has no transaction's id yet keeps the hole open`() {
        var position = TailPosition(next: 1, gaps: [], snapshot: Self.snapshot("10:10:"), nextTransaction: 10)
        #expect(position.advance(Self.answer("11:11:", ids: [2], next: 11, oldest: 10)) == [2])
        for next in UInt64(12)...20 {
            #expect(position.advance(Self.answer("\(next):\(next):", ids: [], next: next, oldest: 10)) == [])
            #expect(position.holes.first?.bound == nil && position.holes.count == 1)
        }
        // It writes at last, as transaction 20.
        #expect(position.advance(Self.answer("21:21:", ids: [1], next: 21)) == [1])
        #expect(position.holes.isEmpty)
    }

    @Test func `what a page has not come to is looked at next, and not from the beginning`() {
        var position = TailPosition(
            next: 100, gaps: [10...19, 50...59], snapshot: Self.snapshot("10:10:"), nextTransaction: 10)
        #expect(position.advance(Self.answer("10:10:", ids: [11, 12], next: 10, isFull: true)) == [11, 12])
        #expect(position.holes.map(\.low) == [10, 13, 50])
        #expect(position.ranges.bounds == [0, 0, 0, 0])
        #expect(position.advance(Self.answer("10:10:", ids: [15, 50], next: 10, isFull: true)) == [15, 50])
        // Holes before the page's end were looked at to the last, and are over.
        #expect(position.holes.map(\.low) == [51])
        #expect(position.advance(Self.answer("10:10:", ids: [], next: 10)) == [] && position.holes.isEmpty)
    }

    @Test func `holes beyond those looked at singly are put together, and memory is bounded`() {
        func gaps(_ count: Int64, every: Int64) -> [ClosedRange<Int64>] {
            (0..<count).map { (number: Int64) -> ClosedRange<Int64> in
                let id = number * every + 1
                return id...id
            }
        }
        var position = TailPosition(
            next: 40_000, gaps: gaps(10_000, every: 3), snapshot: Self.snapshot("9:10:9"), nextTransaction: 10)
        var ranges = position.ranges
        #expect(ranges.lows.count == TailPosition.singleMax + TailPosition.mergedMax + 1)
        #expect(ranges.bounds.filter { $0 == 0 }.count == TailPosition.unboundedMax + 1)
        // A page ends within a merged range: it goes on there.
        let seen = (Int64(1)...99).filter { $0 % 3 != 1 }
        #expect(position.advance(Self.answer("9:10:9", ids: seen, next: 10, isFull: true)) == [])
        ranges = position.ranges
        #expect(ranges.lows.prefix(2) == [1, 100] && ranges.highs.first == 99)
        #expect(ranges.bounds.first == 10 && ranges.bounds.dropFirst().allSatisfy { $0 == 0 })
        position = TailPosition(
            next: 3_000_000, gaps: gaps(Int64(TailPosition.holesMax) + 5, every: 2), snapshot: Self.snapshot("9:10:9"),
            nextTransaction: 10)
        _ = position.advance(Self.answer("9:10:9", ids: [], next: 10))
        #expect(position.holes.count == TailPosition.holesMax && position.forgotten == 5)
    }

    @Test func `on a server that has lost the last ids it reads on behind what is there`() {
        var position = TailPosition(
            next: 100, gaps: [10...19, 90...99], snapshot: Self.snapshot("10:10:"), nextTransaction: 10)
        position.resume(highest: 200)
        #expect(position.next == 100)
        position.resume(highest: 94)
        #expect(position.next == 95 && position.holes.map(\.high) == [19, 94])
        position.resume(highest: 0)
        #expect(position.next == 1 && position.holes.isEmpty)
    }

    @Test(arguments: 0..<300) func `every committed message is found once, after those it followed`(seed: Int) {
        var world = TailWorld(seed: UInt64(seed))
        var position = world.start()
        for _ in 0..<400 {
            world.act()
            if world.chance(4) { world.found += position.advance(world.look(position)) }
        }
        world.endAll()
        for _ in 0..<500 {
            let answer = world.look(position)
            world.found += position.advance(answer)
            if !answer.isFull { break }
        }
        #expect(Set(world.found).count == world.found.count, "each once")
        #expect(Set(world.found) == world.committedSinceStart)
        #expect(world.ordersAreKept, "what was written after a commit comes after it")
        _ = position.advance(world.look(position))
        _ = position.advance(world.look(position))
        #expect(position.holes.isEmpty, "nothing is remembered for ever")
    }
}
