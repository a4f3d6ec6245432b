import BelfryModel
import NIOCore
import Testing

@testable import Node

@Suite("OutboundBudget")
struct OutboundBudgetTests {
    private static let limits: Limits = {
        var limits = Limits()
        limits.outboundBytesMax = 4_000
        return limits
    }()
    /// A budget that `#expect` can ask.
    private final class Budget {
        private var budget = OutboundBudget()

        func isExceeded(_ waitingBytes: Int, at now: NIODeadline) -> Bool {
            budget.isExceeded(waitingBytes: waitingBytes, limits: OutboundBudgetTests.limits, now: now)
        }
    }

    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private static let grace = TimeAmount.seconds(OutboundBudget.graceSeconds)

    @Test("Over the limit is over at once; at the limit is not")
    func limit() {
        let budget = Budget()
        #expect(!budget.isExceeded(4_000, at: Self.start))
        #expect(budget.isExceeded(4_001, at: Self.start))
    }

    @Test("Over a quarter is over once it has lasted")
    func quarter() {
        let budget = Budget()
        #expect(!budget.isExceeded(1_001, at: Self.start))
        #expect(!budget.isExceeded(3_000, at: Self.start + Self.grace))
        let late = Self.start + Self.grace + .nanoseconds(1)
        #expect(budget.isExceeded(1_001, at: late))
    }

    @Test("A client that catches up gets its time anew")
    func catchingUp() {
        let budget = Budget()
        #expect(!budget.isExceeded(2_000, at: Self.start))
        #expect(!budget.isExceeded(1_000, at: Self.start + .seconds(29)))
        #expect(!budget.isExceeded(2_000, at: Self.start + .seconds(31)))
        #expect(!budget.isExceeded(2_000, at: Self.start + .seconds(60)))
        #expect(budget.isExceeded(2_000, at: Self.start + .seconds(62)))
    }

    @Test("Up to a quarter may wait for ever")
    func below() {
        let budget = Budget()
        for hour in 0..<100 {
            let now = Self.start + .hours(Int64(hour))
            #expect(!budget.isExceeded(1_000, at: now))
        }
    }
}
