import BelfryModel
import STOMP
import Testing

@testable import BelfryClient

struct SubscriptionMachineTests {
    private func machine(
        _ ackMode: AckMode = .clientIndividual, to destination: String = "/user/queue/msg", after: String? = nil,
        rememberedMax: Int = 100
    ) -> SubscriptionMachine {
        SubscriptionMachine(
            id: "s1", destination: destination, ackMode: ackMode, lastMessageID: after, options: ["unread": "true"],
            rememberedMax: rememberedMax)
    }

    private func delivery(_ id: String, by connection: Int) -> DeliveryReference {
        DeliveryReference(messageID: id, ackID: "\(connection)-\(id)", connection: connection)
    }

    /// What comes of a message that came by a connection.
    private func receive(
        _ id: String, by connection: Int, _ machine: inout SubscriptionMachine
    ) -> SubscriptionMachine.Arrival {
        machine.messageReceived(id, ackID: "\(connection)-\(id)")
    }

    @Test func itIsMadeWithItsHeaders() {
        var machine = machine(.client, to: "/topic/news", after: "41")
        let headers = machine.connected(1)
        #expect(headers["id"] == "s1" && headers["destination"] == "/topic/news" && headers["ack"] == "client")
        #expect(headers["last-message-id"] == "41" && headers["unread"] == "true")
    }

    @Test func aTopicGoesOnWhereItWasLeftAndAUsersQueueHasItsBacklog() {
        var topic = machine(.auto, to: "/topic/news")
        let first = topic.connected(1)
        #expect(first["last-message-id"] == nil)
        _ = topic.messageReceived("7", ackID: nil)
        topic.disconnected()
        let second = topic.connected(2)
        #expect(second["last-message-id"] == "7")
        var queue = machine()
        _ = queue.connected(1)
        _ = receive("7", by: 1, &queue)
        let again = queue.connected(2)
        #expect(again["last-message-id"] == nil)
    }

    @Test func eachMessageIsHandedOverOnceAndAnsweredByItsLatestConnection() {
        var machine = machine()
        _ = machine.connected(1)
        let first = receive("7", by: 1, &machine)
        #expect(first == .deliver(delivery("7", by: 1)))
        machine.disconnected()
        // While there is no connection nothing can be said.
        let lost = machine.acknowledged(delivery("7", by: 1))
        #expect(lost == .lost)
        _ = machine.connected(2)
        let repeated = receive("7", by: 2, &machine)
        #expect(repeated == .acknowledgeAgain(ackID: "2-7"))
        let other = receive("8", by: 2, &machine)
        #expect(other == .deliver(delivery("8", by: 2)))
        machine.disconnected()
        _ = machine.connected(3)
        let unanswered = receive("8", by: 3, &machine)
        #expect(unanswered == .ignore)
        // The program holds the message as it came first.
        let answer = machine.acknowledged(delivery("8", by: 2))
        #expect(answer == .send(ackID: "3-8"))
    }

    @Test func inModeAutoThereIsNothingToAnswer() {
        var machine = machine(.auto)
        _ = machine.connected(1)
        let first = machine.messageReceived("7", ackID: nil)
        let reference = DeliveryReference(messageID: "7", ackID: nil, connection: 1)
        #expect(first == .deliver(reference))
        let again = machine.messageReceived("7", ackID: nil)
        #expect(again == .ignore)
        let answer = machine.acknowledged(reference)
        #expect(answer == .none)
        let refusal = machine.refused(reference)
        #expect(refusal == .none)
    }

    @Test func whatIsGivenBackIsHandedOverAgain() {
        var machine = machine()
        _ = machine.connected(1)
        _ = receive("7", by: 1, &machine)
        let refusal = machine.refused(delivery("7", by: 1))
        #expect(refusal == .send(ackID: "1-7"))
        let twice = machine.refused(delivery("7", by: 1))
        #expect(twice == .none)
        let again = receive("7", by: 1, &machine)
        #expect(again == .deliver(delivery("7", by: 1)))
        _ = machine.acknowledged(delivery("7", by: 1))
        let late = machine.refused(delivery("7", by: 1))
        #expect(late == .none, "what was acknowledged stays so")
    }

    @Test func inModeClientAnswersAreForWhatCameBeforeToo() {
        var machine = machine(.client)
        _ = machine.connected(1)
        for id in ["1", "2", "3"] { _ = receive(id, by: 1, &machine) }
        let answer = machine.acknowledged(delivery("2", by: 1))
        #expect(answer == .send(ackID: "1-2"))
        machine.disconnected()
        _ = machine.connected(2)
        let arrivals = ["1", "2", "3"].map { receive($0, by: 2, &machine) }
        #expect(arrivals == [.acknowledgeAgain(ackID: "2-1"), .acknowledgeAgain(ackID: "2-2"), .ignore])
        _ = receive("4", by: 2, &machine)
        let refusal = machine.refused(delivery("4", by: 2))
        #expect(refusal == .send(ackID: "2-4"))
        let again = ["3", "4"].map { receive($0, by: 2, &machine) }
        #expect(again == [.deliver(delivery("3", by: 2)), .deliver(delivery("4", by: 2))])
    }

    @Test func theOldestAreForgottenAndCanStillBeAnswered() {
        var machine = machine(rememberedMax: 3)
        _ = machine.connected(1)
        for id in ["1", "2", "3", "4"] { _ = receive(id, by: 1, &machine) }
        let remembered = receive("2", by: 1, &machine)
        #expect(remembered == .ignore)
        let answer = machine.acknowledged(delivery("1", by: 1))
        #expect(answer == .send(ackID: "1-1"))
        let forgotten = receive("1", by: 1, &machine)
        #expect(forgotten == .deliver(delivery("1", by: 1)))
        machine.disconnected()
        _ = machine.connected(2)
        let old = machine.acknowledged(delivery("3", by: 1))
        #expect(old == .lost)
    }
}
