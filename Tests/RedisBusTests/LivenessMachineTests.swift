import NIOCore
import Testing

@testable import RedisBus

struct LivenessMachineTests {
    private let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private func machine() -> LivenessMachine {
        LivenessMachine(quietInterval: .seconds(10), answerTimeout: .seconds(5), now: start)
    }

    @Test func aQuietConnectionIsProbedAndAnAnswerStartsAnew() {
        var machine = machine()
        let actions = [
            machine.ticked(now: start + .seconds(9)), machine.ticked(now: start + .seconds(10)),
            machine.ticked(now: start + .seconds(11)),
        ]
        #expect(actions == [.none, .sendPing, .none])
        machine.bytesReceived(now: start + .seconds(12), isAwaiting: false)
        let later = [machine.ticked(now: start + .seconds(21)), machine.ticked(now: start + .seconds(22))]
        #expect(later == [.none, .sendPing])
    }

    @Test func aProbeWithoutAnswerIsTheEnd() {
        var machine = machine()
        _ = machine.ticked(now: start + .seconds(10))
        let actions = [machine.ticked(now: start + .seconds(14)), machine.ticked(now: start + .seconds(15))]
        #expect(actions == [.none, .giveUp])
    }

    @Test func commandsWithoutAnswerAreTheEnd() {
        var machine = machine()
        machine.commandsSent(now: start + .seconds(1))
        machine.commandsSent(now: start + .seconds(5))
        let actions = [machine.ticked(now: start + .seconds(5)), machine.ticked(now: start + .seconds(6))]
        #expect(actions == [.none, .giveUp])
    }

    @Test func answersThatKeepComingKeepItAlive() {
        var machine = machine()
        machine.commandsSent(now: start)
        for second in 1...30 {
            machine.bytesReceived(now: start + .seconds(Int64(second)), isAwaiting: true)
            let action = machine.ticked(now: start + .seconds(Int64(second)) + .milliseconds(500))
            #expect(action == .none)
        }
        let end = machine.ticked(now: start + .seconds(35))
        #expect(end == .giveUp)
    }

    @Test func itIsTickedOftenEnough() {
        let machine = machine()
        let tickInterval = machine.tickInterval
        #expect(tickInterval == .seconds(1))
    }
}
