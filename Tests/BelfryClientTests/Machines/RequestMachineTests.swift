import NIOCore
import STOMP
import Testing

@testable import BelfryClient

struct RequestMachineTests {
    private typealias Machine = RequestMachine<String>

    private let deadline = NIODeadline.uptimeNanoseconds(1_000)

    private func request(
        command: Bool = false, repeatable: Bool = false, ofConnection: Bool = false
    ) -> Machine.Request {
        Machine.Request(
            frame: Frame(.send, ["destination": "/app/x"]), isCommand: command, isRepeatable: repeatable,
            isOfConnection: ofConnection)
    }

    private func ask(
        _ request: Machine.Request, _ waiter: String, _ machine: inout Machine, until: NIODeadline? = nil
    ) -> (number: Int, frame: Frame?, error: BelfryClientError?) {
        var number = 0
        switch machine.asked(request, by: waiter, until: until ?? deadline, number: &number) {
        case .wait: return (number, nil, nil)
        case .send(let frame): return (number, frame, nil)
        case .refuse(let error): return (number, nil, error)
        }
    }

    @Test func whatIsAskedBeforeThereIsAConnectionWaitsForIt() {
        var machine = Machine(requestsMax: 10)
        let first = ask(request(), "a", &machine)
        _ = ask(request(command: true), "b", &machine)
        #expect(first.frame == nil && first.error == nil)
        let awaited = machine.isAnswerAwaited
        #expect(!awaited)
        let needed = machine.needsReplies
        #expect(needed)
        let frames = machine.connected()
        #expect(frames.map { $0.headers["receipt"] } == ["q1", "q2"])
        #expect(frames.map { $0.headers["correlation-id"] } == [nil, "q2"])
        let awaitedNow = machine.isAnswerAwaited
        #expect(awaitedNow)
    }

    @Test func answersFindWhoeverAsked() {
        var machine = Machine(requestsMax: 10)
        _ = machine.connected()
        _ = ask(request(), "a", &machine)
        _ = ask(request(command: true), "b", &machine)
        // A receipt is no answer to a command, nor a reply to a SEND; what nobody asked is nobody's.
        let wrong = [machine.receiptReceived("q2"), machine.replyReceived("q1")]
        let nobodys = [machine.receiptReceived("q9"), machine.receiptReceived("sub-s1"), machine.replyReceived("")]
        #expect(wrong == [nil, nil] && nobodys == [nil, nil, nil])
        let reply = machine.replyReceived("q2")
        let receipt = machine.receiptReceived("q1")
        #expect(reply == "b" && receipt == "a")
        let again = machine.receiptReceived("q1")
        #expect(again == nil)
        let awaited = machine.isAnswerAwaited
        #expect(!awaited)
    }

    @Test func aLostConnectionEndsWhatCannotBeAskedTwice() {
        var machine = Machine(requestsMax: 10)
        _ = machine.connected()
        _ = ask(request(command: true, repeatable: true), "question", &machine)
        _ = ask(request(), "deed", &machine)
        _ = ask(request(ofConnection: true), "ack", &machine)
        let lost = machine.disconnected()
        #expect(lost.map(\.0) == ["deed", "ack"])
        #expect(lost.allSatisfy { $0.1.code == .connectionLost })
        // Not yet sent, it waits for the next connection.
        _ = ask(request(), "later", &machine)
        let refused = ask(request(ofConnection: true), "ack", &machine)
        #expect(refused.error?.code == .connectionLost)
        let frames = machine.connected()
        #expect(frames.map { $0.headers["receipt"] } == ["q1", "q4"])
    }

    @Test func theServerMayEndTheSessionForOne() {
        var machine = Machine(requestsMax: 10)
        _ = ask(request(repeatable: true), "a", &machine)
        let early = machine.refused("q1")
        #expect(early == nil, "it was not sent")
        _ = machine.connected()
        let refused = machine.refused("q1")
        #expect(refused == "a")
        _ = machine.disconnected()
        let frames = machine.connected()
        #expect(frames.isEmpty, "it is not asked again")
    }

    @Test func theyHaveABound() {
        var machine = Machine(requestsMax: 2)
        _ = ask(request(), "a", &machine)
        let second = ask(request(), "b", &machine)
        #expect(ask(request(), "c", &machine).error?.code == .tooManyRequests)
        let cancelled = machine.cancelled(second.number)
        #expect(cancelled == "b")
        #expect(ask(request(), "d", &machine).error == nil)
    }

    @Test func theirTimeEnds() {
        var machine = Machine(requestsMax: 10)
        let none = machine.nextDeadline
        #expect(none == nil)
        _ = ask(request(), "a", &machine, until: .uptimeNanoseconds(10))
        _ = ask(request(), "b", &machine, until: .uptimeNanoseconds(20))
        _ = machine.connected()
        let early = machine.expired(at: .uptimeNanoseconds(9))
        #expect(early.isEmpty)
        let first = machine.expired(at: .uptimeNanoseconds(10))
        #expect(first == ["a"])
        let next = machine.nextDeadline
        #expect(next == .uptimeNanoseconds(20))
        let late = machine.receiptReceived("q1")
        #expect(late == nil)
        let closed = machine.closed()
        #expect(closed == ["b"])
        let after = machine.nextDeadline
        #expect(after == nil)
    }

    /// What was answered leaves no trace, in whatever order it is.
    @Test func aLateOneDoesNotMakeTheQueueGrow() {
        var machine = Machine(requestsMax: 4)
        _ = machine.connected()
        _ = ask(request(), "late", &machine)
        for number in 2...10_000 {
            _ = ask(request(), "\(number)", &machine)
            let waiter = machine.receiptReceived("q\(number)")
            #expect(waiter == "\(number)")
        }
        let places = machine.placesHeld
        #expect(places <= 9)
        let late = machine.receiptReceived("q1")
        #expect(late == "late")
        let afterwards = machine.placesHeld
        #expect(afterwards == 0)
    }
}
