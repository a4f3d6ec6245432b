import BelfryModel
import NIOCore
import Testing

@testable import HTTPAPI

@Suite struct RequestGateTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    private static func gate(total: Int = 10, user: Int = 3, perSecond: Int = 2) -> RequestGate {
        var limits = Limits()
        limits.requestsInProgressMax = total
        limits.requestsPerUserInProgressMax = user
        limits.requestsPerUserPerSecondMax = perSecond
        return RequestGate(limits: limits)
    }

    /// The status of the refusal; `nil` when there is a place.
    private static func enter(
        _ gate: RequestGate, _ user: String, isCounted: Bool = false, now: NIODeadline = start
    ) -> Int? {
        do throws(Problem) {
            try gate.enter(user, isCounted: isCounted, now: now)
            return nil
        } catch {
            return error.status.code
        }
    }

    @Test func aUserHasSoManyUnderWay() {
        let gate = Self.gate()
        for _ in 0..<3 { #expect(Self.enter(gate, "a") == nil) }
        #expect(Self.enter(gate, "a") == 429)
        #expect(Self.enter(gate, "b") == nil)
        gate.leave("a")
        #expect(Self.enter(gate, "a") == nil)
    }

    @Test func aNodeHasSoManyUnderWay() {
        let gate = Self.gate(total: 2)
        #expect(Self.enter(gate, "a", isCounted: true) == nil)
        #expect(Self.enter(gate, "b", isCounted: true) == nil)
        #expect(Self.enter(gate, "c", isCounted: true) == 503)
        gate.leave("a")
        #expect(Self.enter(gate, "c", isCounted: true) == nil)
    }

    @Test func aUserMakesSoManyASecond() {
        let gate = Self.gate(user: 100)
        var taken = 0
        for _ in 0..<30 where Self.enter(gate, "a", isCounted: true) == nil {
            taken += 1
            gate.leave("a")
        }
        #expect(taken == 20, "ten seconds' worth at once")
        let later = Self.start + .seconds(1)
        #expect(Self.enter(gate, "a", isCounted: true, now: later) == nil)
        #expect(
            Self.enter(gate, "a") == nil,
            "what is not counted")
    }

    /// Users who come once are not remembered for ever.
    @Test func whoHasNothingUnderWayIsForgotten() {
        let gate = Self.gate(total: 1_000_000)
        #expect(Self.enter(gate, "stays", isCounted: true) == nil)
        for number in 0..<20_000 {
            let now = Self.start + .seconds(Int64(number))
            #expect(Self.enter(gate, "u\(number)", isCounted: true, now: now) == nil)
            gate.leave("u\(number)")
        }
        #expect(gate.usersKnown < 10_010)
    }
}
