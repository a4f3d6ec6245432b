import Outbox
import Testing

@testable import Commands

/// What messages that were refused are remembered by.
@Suite struct SendRefusalsTests {
    private func refusal(_ message: String) -> CommandRefusal { CommandRefusal(.invalid, message) }

    @Test func theyAreGatheredByTypeUntilTheyAreTold() {
        let refusals = SendRefusals()
        refusals.note(refusal("first"), types: ["A"], via: "http", who: "x")
        refusals.note(refusal("second"), types: ["A", "A"], via: "stomp", who: "y")
        refusals.note(refusal("the type \"B\" is at fault"), types: ["A", "B"], via: "http", who: "z")
        // Which of several is not known, and what is nobody's data.
        refusals.note(refusal("something"), types: ["A", "B"], via: "http", who: "z")
        refusals.note(CommandRefusal(.unavailable, "away"), types: ["C"], via: "http", who: "z")
        let told = refusals.take()
        #expect(told.map(\.type) == ["A", "B"] && told.map(\.count) == [2, 1])
        #expect(told[0].reason == "second" && told[0].who == "y" && told[0].via == "stomp")
        #expect(refusals.take().isEmpty)
    }

    @Test func aFloodOfNamesIsNotKept() {
        let refusals = SendRefusals()
        for number in 0..<1_000 { refusals.note(refusal("no"), types: ["T\(number)"], via: "http", who: "x") }
        refusals.note(refusal(String(repeating: "x", count: 9_000)), types: ["T1"], via: "http", who: "x")
        let told = refusals.take()
        #expect(told.count == 50)
        #expect(told.first { $0.type == "T1" }?.count == 2)
        #expect(told.allSatisfy { $0.reason.count <= 500 })
    }
}

/// Many who ask at once.
@Suite struct SharedAnswersTests {
    private actor Counter {
        var count = 0
        func next() -> Int {
            count += 1
            return count
        }
    }

    @Test func oneAnswerIsMadeForAll() async throws {
        let (answers, counter) = (SharedAnswers(), Counter())
        let all = try await withThrowingTaskGroup(of: String.self) { tasks in
            for _ in 0..<50 {
                tasks.addTask {
                    try await answers.answer("x", freshFor: .seconds(60)) {
                        try await Task.sleep(for: .milliseconds(50))
                        return "\(await counter.next())"
                    }
                }
            }
            return try await tasks.reduce(into: Set<String>()) { $0.insert($1) }
        }
        #expect(all == ["1"])
        #expect(try await answers.answer("x", freshFor: .seconds(60)) { "new" } == "1")
        #expect(try await answers.answer("y", freshFor: .zero) { "a" } == "a")
        #expect(try await answers.answer("y", freshFor: .zero) { "b" } == "b")
    }

    @Test func aFailureIsNotKept() async throws {
        struct Failure: Error {}
        let answers = SharedAnswers()
        await #expect(throws: Failure.self) {
            try await answers.answer("x", freshFor: .seconds(60)) { throw Failure() }
        }
        #expect(try await answers.answer("x", freshFor: .seconds(60)) { "fine" } == "fine")
    }
}
