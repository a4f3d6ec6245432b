import Bus
import NIOCore
import Testing

@testable import RedisBus

struct PublisherMachineTests {
    private func finished(_ action: PublisherMachine<Int>.Action) -> (Int, BusError?)? {
        if case .finish(let waiter, let error) = action { (waiter, error) } else { nil }
    }

    private func closing(_ action: PublisherMachine<Int>.Action) -> BusError? {
        if case .close(let error) = action { error } else { nil }
    }

    @Test func batchesEndInOrderWithTheirLastAnswer() {
        var machine = PublisherMachine<Int>()
        machine.batchSent(count: 2, waiter: 1)
        machine.batchSent(count: 1, waiter: 2)
        var ends: [Int?] = []
        for _ in 0..<3 { ends.append(finished(machine.valueReceived(.integer(0)))?.0) }
        #expect(ends == [nil, 1, 2])
        let isAwaiting = machine.isAwaiting
        #expect(!isAwaiting)
    }

    @Test func aRefusalIsToldAtTheEndOfItsBatchOnly() {
        var machine = PublisherMachine<Int>()
        machine.batchSent(count: 3, waiter: 1)
        machine.batchSent(count: 1, waiter: 2)
        _ = machine.valueReceived(.integer(1))
        let early = finished(machine.valueReceived(.error("NOPERM no such channel for you")))
        #expect(early == nil)
        let first = finished(machine.valueReceived(.error("ERR another")))
        #expect(first?.0 == 1)
        #expect(first?.1?.code == .refused)
        #expect(first?.1?.message.contains("NOPERM") == true)
        let second = finished(machine.valueReceived(.integer(1)))
        #expect(second?.0 == 2)
        #expect(second?.1 == nil)
    }

    @Test func aServerThatLoadsItsDataIsAway() {
        var machine = PublisherMachine<Int>()
        machine.batchSent(count: 1, waiter: 1)
        let end = finished(machine.valueReceived(.error("LOADING Redis is loading the dataset in memory")))
        #expect(end?.1?.code == .unavailable)
    }

    @Test func anAnswerToPingIsNoAnswerToABatch() {
        var machine = PublisherMachine<Int>()
        machine.batchSent(count: 1, waiter: 1)
        let end = finished(machine.valueReceived(.simpleString(ByteBuffer(string: "PONG"))))
        #expect(end == nil)
        let isAwaiting = machine.isAwaiting
        #expect(isAwaiting)
    }

    @Test(arguments: [RESPValue.null, .array([]), .bulk("x")])
    func anotherAnswerCloses(value: RESPValue) {
        var machine = PublisherMachine<Int>()
        machine.batchSent(count: 1, waiter: 1)
        let error = closing(machine.valueReceived(value))
        #expect(error?.code == .protocolViolation)
    }

    @Test func anAnswerToNothingCloses() {
        var machine = PublisherMachine<Int>()
        let error = closing(machine.valueReceived(.integer(1)))
        #expect(error?.code == .protocolViolation)
        let refusal = closing(machine.valueReceived(.error("ERR going away")))
        #expect(refusal?.code == .refused)
    }

    @Test func allWhoWaitAreToldOfTheEnd() {
        var machine = PublisherMachine<Int>()
        machine.batchSent(count: 2, waiter: 1)
        machine.batchSent(count: 2, waiter: 2)
        _ = machine.valueReceived(.integer(1))
        let waiters = machine.disconnected()
        #expect(waiters == [1, 2])
        let isAwaiting = machine.isAwaiting
        #expect(!isAwaiting)
        let again = machine.disconnected()
        #expect(again.isEmpty)
    }
}
