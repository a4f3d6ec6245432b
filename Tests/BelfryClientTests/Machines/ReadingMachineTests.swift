import Testing

@testable import BelfryClient

struct ReadingMachineTests {
    private func machine() -> ReadingMachine { ReadingMachine(messagesMax: 10, bytesMax: 1_000) }

    private func fill(_ machine: inout ReadingMachine, _ messages: Int, bytes: Int = 1) {
        for _ in 0..<messages { machine.buffered(bytes: bytes) }
    }

    @Test func moreMessagesThanThereIsRoomForStopTheReading() {
        var machine = machine()
        fill(&machine, 10)
        #expect(machine.mayRead, "a window of as many has room")
        fill(&machine, 1)
        #expect(!machine.mayRead)
        // It does not stop and go with each message.
        machine.taken(messages: 5, bytes: 5)
        #expect(!machine.mayRead)
        machine.taken(messages: 1, bytes: 1)
        #expect(machine.mayRead)
    }

    @Test func soDoBytes() {
        var machine = machine()
        fill(&machine, 3, bytes: 400)
        #expect(!machine.mayRead)
        machine.taken(messages: 1, bytes: 400)
        #expect(!machine.mayRead)
        machine.taken(messages: 1, bytes: 400)
        #expect(machine.mayRead)
    }

    /// The answer may stand behind messages that only the waiting task would take.
    @Test func anAnswerThatIsAwaitedIsReadForFourTimesAsFar() {
        var machine = machine()
        fill(&machine, 11)
        machine.answerAwaited(true)
        #expect(machine.mayRead)
        fill(&machine, 29)
        #expect(machine.mayRead)
        fill(&machine, 1)
        #expect(!machine.mayRead)
        machine.taken(messages: 20, bytes: 20)
        #expect(!machine.mayRead)
        machine.taken(messages: 1, bytes: 1)
        #expect(machine.mayRead)
        machine.answerAwaited(false)
        #expect(!machine.mayRead)
    }

    @Test func oneMessageOverTheBoundIsReadAtATime() {
        var machine = ReadingMachine(messagesMax: 0, bytesMax: 0)
        #expect(machine.mayRead)
        machine.buffered(bytes: 5_000)
        #expect(!machine.mayRead)
        machine.taken(messages: 1, bytes: 5_000)
        #expect(machine.mayRead)
    }
}
