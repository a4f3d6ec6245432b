import NIOCore
import Testing

@testable import BelfryClient

struct RefreshMachineTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000_000)

    @Test func aTokenIsAskedForWhenFourFifthsAreOver() {
        var machine = RefreshMachine()
        let idle = machine.deadline
        #expect(idle == nil)
        machine.sessionLasts(100_000, from: start)
        let deadline = machine.deadline
        #expect(deadline == start + .seconds(80))
        let early = machine.ticked(at: start + .seconds(79))
        let due = machine.ticked(at: start + .seconds(80))
        let twice = machine.ticked(at: start + .seconds(80))
        #expect(!early && due && !twice)
        let isSent = machine.tokenReceived()
        let again = machine.tokenReceived()
        #expect(isSent && !again)
        // The RECEIPT tells how long that one lasts.
        machine.sessionLasts(1_000, from: start + .seconds(81))
        let next = machine.deadline
        #expect(next == start + .seconds(82), "no sooner than in a second")
    }

    @Test(arguments: [nil, 0, -5] as [Int64?])
    func aSessionWithoutAnEndNeedsNone(left: Int64?) {
        var machine = RefreshMachine()
        machine.sessionLasts(100_000, from: start)
        machine.sessionLasts(left, from: start)
        let deadline = machine.deadline
        #expect(deadline == nil)
    }

    @Test func anEndBeyondAllTimersIsNoTrap() {
        var machine = RefreshMachine()
        machine.sessionLasts(.max, from: start)
        let deadline = machine.deadline
        #expect(deadline.map { $0 > start + .hours(24 * 200) } == true)
    }

    @Test func withoutATokenThereIsAnotherTryWhileThereIsTime() {
        var machine = RefreshMachine()
        machine.sessionLasts(100_000, from: start)
        _ = machine.ticked(at: start + .seconds(80))
        machine.tokenFailed(at: start + .seconds(80))
        let second = machine.deadline
        #expect(second == start + .seconds(90))
        _ = machine.ticked(at: start + .seconds(90))
        machine.tokenFailed(at: start + .milliseconds(99_500))
        let last = machine.deadline
        #expect(last == nil, "the server ends the session")
    }

    @Test func anEndedSessionNeedsNone() {
        var machine = RefreshMachine()
        machine.sessionLasts(100_000, from: start)
        _ = machine.ticked(at: start + .seconds(80))
        machine.sessionEnded()
        let isSent = machine.tokenReceived()
        #expect(!isSent)
        machine.tokenFailed(at: start + .seconds(81))
        let deadline = machine.deadline
        #expect(deadline == nil)
    }
}
