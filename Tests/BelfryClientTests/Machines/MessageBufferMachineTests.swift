import Testing

@testable import BelfryClient

/// Every state with every event.
struct MessageBufferMachineTests {
    private typealias Machine = MessageBufferMachine<Int, String>
    private struct Failure: Error {}

    enum Phase: CaseIterable { case empty, filled, awaited, finished, failed, cancelled }

    private func machine(_ phase: Phase) -> Machine {
        var machine = Machine()
        switch phase {
        case .empty: break
        case .filled: _ = machine.received(1)
        case .awaited: _ = machine.next("w")
        case .finished: _ = machine.finished(nil)
        case .failed: _ = machine.finished(Failure())
        case .cancelled: _ = machine.cancelled()
        }
        return machine
    }

    private func name(_ action: Machine.NextAction) -> String {
        switch action {
        case .take(let element): "take \(element)"
        case .wait: "wait"
        case .end(nil): "end"
        case .end: "throw"
        case .refuse: "refuse"
        }
    }

    @Test(arguments: Phase.allCases)
    func aMessageComes(phase: Phase) {
        var machine = machine(phase)
        let waiter = machine.received(2)
        #expect(waiter == (phase == .awaited ? "w" : nil))
        let next = [name(machine.next("n")), name(machine.next("m"))]
        switch phase {
        case .empty: #expect(next == ["take 2", "wait"])
        case .filled: #expect(next == ["take 1", "take 2"])
        case .awaited: #expect(next == ["wait", "refuse"], "the waiter has it")
        case .finished, .cancelled: #expect(next == ["end", "end"])
        case .failed: #expect(next == ["throw", "end"], "the error is told once")
        }
    }

    @Test(arguments: Phase.allCases)
    func noMoreCome(phase: Phase) {
        var machine = machine(phase)
        let waiter = machine.finished(Failure())
        #expect(waiter == (phase == .awaited ? "w" : nil))
        let next = [name(machine.next("n")), name(machine.next("m"))]
        switch phase {
        case .empty, .failed: #expect(next == ["throw", "end"])
        case .filled: #expect(next == ["take 1", "throw"], "what came before is handed over")
        // Who waited was told.
        case .awaited, .finished, .cancelled: #expect(next == ["end", "end"])
        }
    }

    @Test(arguments: Phase.allCases)
    func theProgramWantsNoMore(phase: Phase) {
        var machine = machine(phase)
        let (waiter, dropped) = machine.cancelled()
        #expect(waiter == (phase == .awaited ? "w" : nil))
        #expect(dropped == (phase == .filled ? [1] : []))
        let next = name(machine.next("n"))
        #expect(next == "end")
        let (none, nothing) = machine.cancelled()
        #expect(none == nil && nothing.isEmpty)
    }
}
