import NIOCore
import Testing

@testable import Node

/// Who is looked at when.
@Suite struct TickWheelTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private let somebody = SessionID(worker: 0)

    private func ticks(_ count: Int) -> NIODeadline {
        Self.start + .nanoseconds(TickWheel.tick.nanoseconds * Int64(count))
    }

    @Test func nobodyIsDueBeforeTheirTime() {
        var wheel = TickWheel(start: Self.start)
        let id = somebody
        let filed = wheel.file(id, at: ticks(3) - .milliseconds(1), filed: nil)
        #expect(filed == 3)
        #expect(wheel.due(at: ticks(3) - .nanoseconds(1)).isEmpty)
        #expect(wheel.due(at: ticks(3)).map(\.tick) == [3])
        #expect(wheel.due(at: ticks(4)).isEmpty)
    }

    @Test func whatIsDueAtOnceIsDueWithTheNextTick() {
        var wheel = TickWheel(start: Self.start)
        _ = wheel.due(at: ticks(10))
        #expect(wheel.file(somebody, at: ticks(2), filed: nil) == 11)
    }

    @Test func theEarlierOfTwoDeadlinesCounts() {
        var wheel = TickWheel(start: Self.start)
        let id = somebody
        let late = wheel.file(id, at: ticks(40), filed: nil)
        let early = wheel.file(id, at: ticks(8), filed: late)
        #expect(early == 8)
        #expect(wheel.file(id, at: ticks(20), filed: early) == 8)
        // A loop that was held up deals with every tick that passed.
        #expect(wheel.due(at: ticks(50)).map(\.tick) == [8, 40])
    }

    @Test func beyondTheRingIsItsLastSlot() {
        var wheel = TickWheel(start: Self.start)
        let id = somebody
        let filed = wheel.file(id, at: .distantFuture, filed: nil)
        #expect(filed == 255)
        #expect(wheel.due(at: ticks(254)).isEmpty)
        #expect(wheel.due(at: ticks(255)).count == 1)
    }

    @Test func everyoneIsFoundWithinATickOfTheirDeadline() {
        var wheel = TickWheel(start: Self.start)
        let people = (0..<2_000).map { _ in SessionID(worker: 0) }
        var deadlines: [SessionID: NIODeadline] = [:]
        for (number, person) in people.enumerated() {
            let deadline = Self.start + .milliseconds(Int64(number * 31 + 1))
            deadlines[person] = deadline
            _ = wheel.file(person, at: deadline, filed: nil)
        }
        for tick in 1...260 {
            for entry in wheel.due(at: ticks(tick)) {
                guard let deadline = deadlines.removeValue(forKey: entry.id) else { continue }
                #expect(deadline <= ticks(tick))
                #expect(ticks(tick) - deadline < TickWheel.tick)
            }
        }
        #expect(deadlines.isEmpty)
    }
}
