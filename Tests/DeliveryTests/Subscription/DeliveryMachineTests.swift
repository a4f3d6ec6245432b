import BelfryModel
import NIOCore
import Testing

@testable import Delivery

/// What splice, ledger and history do together.
@Suite struct DeliveryMachineTests {
    private static func id(_ value: Int64) -> MessageID { MessageID(rawValue: value) }

    private static func snapshot(_ text: String) -> TransactionSnapshot {
        guard let snapshot = TransactionSnapshot(text) else { preconditionFailure(text) }
        return snapshot
    }

    private struct Page: BacklogPage {
        let messages: [Message]
        var snapshot = DeliveryMachineTests.snapshot("10:10:")
        var isLast = true

        var rowCount: Int { messages.count }
        func stamp(_ row: Int) -> MessageStamp { messages[row].stamp }
        func message(_ row: Int) -> Message { messages[row] }
    }

    /// A machine that `#expect` can change, and what it has sent.
    private final class Subscriber {
        private var machine: DeliveryMachine
        private(set) var sent: [Int64] = []
        private(set) var redelivered: [Int64] = []

        init(
            _ source: DeliveryMachine.Source = .queue, mode: AckMode = .clientIndividual, inFlightMax: Int = 10,
            history: DeliveryHistory = DeliveryHistory(now: .now(), marks: nil)
        ) {
            machine = DeliveryMachine(
                source: source, ackMode: mode,
                bounds: .init(inFlightMax: inFlightMax, heldMax: 10, heldBytesMax: .max), history: history)
        }

        var isLive: Bool { machine.isLive }
        var wantsPage: Bool { machine.wantsPage }
        func lacks(_ message: Message) -> Bool { machine.lacks(message.stamp) }

        func open() { machine.channelOpened() }

        /// Reads a page of these, as far as the client takes them.
        func read(_ messages: [Message] = [], isLast: Bool = true, takes: Int = .max, now: Int64 = 0) {
            guard let request = machine.nextPage() else { return }
            var left = takes
            machine.pageRead(
                Page(messages: messages, isLast: isLast), generation: request.generation, now: now,
                takesMore: { left > 0 },
                send: { message, isRedelivered in
                    left -= 1
                    note(message.id, isRedelivered)
                })
        }

        @discardableResult
        func live(_ message: Message) -> DeliveryMachine.Outcome {
            var message = message
            let outcome = machine.liveReceived(&message)
            if case .send(let isRedelivered) = outcome { note(message.id, isRedelivered) }
            return outcome
        }

        private func note(_ id: MessageID, _ isRedelivered: Bool) {
            sent.append(id.rawValue)
            if isRedelivered { redelivered.append(id.rawValue) }
        }

        func acknowledge(_ id: Int64) -> [Int64] { machine.acknowledged(.init(rawValue: id)).map(\.id.rawValue) }
        func refuse(_ id: Int64) -> [Int64] { machine.refused(.init(rawValue: id)).map(\.id.rawValue) }
        func end() -> [Int64] { machine.ended(sessionGoesOn: true).map(\.id.rawValue) }
        func roomMade() { machine.roomMade() }
        func incarnationChanged() { machine.incarnationChanged() }
    }

    private static func live(
        mode: AckMode = .clientIndividual, inFlightMax: Int = 10,
        history: DeliveryHistory = DeliveryHistory(now: .now(), marks: nil)
    ) -> Subscriber {
        let subscriber = Subscriber(mode: mode, inFlightMax: inFlightMax, history: history)
        subscriber.open()
        subscriber.read()
        return subscriber
    }

    @Test func aBacklogIsSentThenWhatWasHeldThenWhatComesLive() {
        let subscriber = Subscriber()
        subscriber.open()
        subscriber.live(.sample(5, xid: 20))
        subscriber.live(.sample(2, xid: 8))
        subscriber.read([.sample(1, xid: 7), .sample(2, xid: 8)])
        subscriber.live(.sample(6, xid: 21))
        #expect(subscriber.sent == [1, 2, 5, 6])
    }

    @Test func whatIsInFlightIsNotSentAgain() {
        let subscriber = Self.live()
        #expect(subscriber.live(.sample(1, xid: 20)) == .send(isRedelivered: false))
        #expect(subscriber.live(.sample(1, xid: 20)) == .drop)
        #expect(subscriber.live(.sample(1, xid: 30)) == .drop, "stamped anew while in flight")
    }

    @Test func whatWasAcknowledgedIsNotSentAgainUnlessItWasStampedAnew() {
        let subscriber = Self.live()
        subscriber.live(.sample(1, xid: 20))
        #expect(subscriber.acknowledge(1) == [1])
        #expect(subscriber.acknowledge(1) == [])
        #expect(subscriber.live(.sample(1, xid: 20)) == .drop)
        #expect(subscriber.live(.sample(1, xid: 30)) == .send(isRedelivered: false), "a replay")
    }

    /// A user's other session, or his next one, on the same event loop.
    @Test func whatOneSessionAcknowledgedIsNoNewsToTheOthers() {
        let history = DeliveryHistory(now: .now(), marks: nil)
        let (one, other) = (Self.live(history: history), Subscriber(history: history))
        one.live(.sample(1, xid: 20))
        #expect(one.acknowledge(1) == [1])
        other.open()
        other.read([.sample(1, xid: 20), .sample(2, xid: 20)])
        #expect(other.sent == [2])
    }

    @Test func whatWasGivenBackOrRefusedComesMarked() {
        let history = DeliveryHistory(now: .now(), marks: nil)
        let (one, other) = (Self.live(history: history), Subscriber(history: history))
        for id: Int64 in 1...2 { one.live(.sample(id, xid: 20)) }
        #expect(one.refuse(1) == [1])
        #expect(one.end() == [2])
        other.open()
        other.read([
            .sample(1, xid: 30), .sample(2, xid: 20), .sample(3, xid: 20), .sample(4, xid: 20, isRedelivered: true),
        ])
        #expect(other.sent == [1, 2, 3, 4])
        #expect(other.redelivered == [1, 2, 4])
    }

    @Test func theWindowIsNeverOverfullAndOpensAgainAtItsHalf() {
        let subscriber = Self.live(inFlightMax: 4)
        for id: Int64 in 1...6 { subscriber.live(.sample(id, xid: 20)) }
        #expect(subscriber.sent == [1, 2, 3, 4])
        #expect(!subscriber.isLive)
        #expect(subscriber.acknowledge(1) == [1])
        #expect(!subscriber.wantsPage)
        #expect(subscriber.acknowledge(2) == [2])
        #expect(subscriber.wantsPage)
        subscriber.read([.sample(3, xid: 20), .sample(4, xid: 20), .sample(5, xid: 20), .sample(6, xid: 20)])
        #expect(subscriber.sent == [1, 2, 3, 4, 5, 6])
    }

    @Test func aPageStopsWhereTheClientTakesNoMore() {
        let subscriber = Subscriber()
        subscriber.open()
        let rows = (1...5).map { Message.sample($0, xid: 7) }
        subscriber.read(rows, takes: 2)
        #expect(subscriber.sent == [1, 2])
        #expect(!subscriber.wantsPage)
        subscriber.roomMade()
        #expect(subscriber.wantsPage)
        subscriber.read(Array(rows[2...]))
        #expect(subscriber.sent == [1, 2, 3, 4, 5])
    }

    @Test func whatExpiresWhileItIsHeldIsNotSent() {
        let subscriber = Subscriber()
        subscriber.open()
        subscriber.live(.sample(1, xid: 20, expiresAt: 1_000))
        subscriber.live(.sample(2, xid: 20, expiresAt: 1_001))
        subscriber.read(now: 1_000)
        #expect(subscriber.sent == [2])
    }

    @Test func aCumulativeAnswerTakesWhatWasSentBefore() {
        let subscriber = Self.live(mode: .client)
        for id: Int64 in 1...3 { subscriber.live(.sample(id, xid: 20)) }
        #expect(subscriber.acknowledge(2) == [1, 2])
        #expect(subscriber.end() == [3])
        #expect(subscriber.end() == [])
    }

    @Test func anAnswerToARequestThatWasOvertakenIsIgnored() {
        let subscriber = Subscriber()
        subscriber.open()
        subscriber.read([.sample(1, xid: 7)], isLast: false)
        subscriber.incarnationChanged()
        #expect(subscriber.wantsPage)
        subscriber.read([.sample(1, xid: 7), .sample(2, xid: 7)])
        #expect(subscriber.sent == [1, 2], "what is in flight is known by its id and time")
    }

    @Test func whatIsLackingIsNeitherInFlightNorCoveredNorAnswered() {
        let subscriber = Subscriber()
        subscriber.open()
        #expect(!subscriber.lacks(.sample(9, xid: 30)), "it reads, and finds out by itself")
        subscriber.read([.sample(1, xid: 7)])
        subscriber.live(.sample(2, xid: 20))
        subscriber.live(.sample(3, xid: 20))
        #expect(subscriber.acknowledge(3) == [3])
        let lacking = [1, 2, 3, 4].filter { subscriber.lacks(.sample($0, xid: $0 == 1 ? 7 : 20)) }
        #expect(lacking == [4])
    }

    // MARK: Topics

    @Test func aBroadcastThatWasAnsweredIsForgotten() {
        let history = DeliveryHistory(now: .now(), marks: nil)
        let (one, other) = (
            Subscriber(.topic(after: nil), history: history), Subscriber(.topic(after: nil), history: history)
        )
        for subscriber in [one, other] {
            subscriber.open()
            subscriber.live(.sample(1, xid: 20))
        }
        #expect(one.acknowledge(1) == [1])
        #expect(other.sent == [1], "each subscriber has its own copy")
        #expect(other.refuse(1) == [1])
        one.live(.sample(2, xid: 21))
        #expect(one.end() == [], "a topic's past is read by id")
    }

    @Test func aTopicsPastComesBeforeWhatIsLive() {
        let subscriber = Subscriber(.topic(after: Self.id(0)))
        subscriber.open()
        subscriber.live(.sample(3, xid: 20))
        subscriber.read([.sample(1, xid: 7), .sample(2, xid: 8)])
        subscriber.live(.sample(2, xid: 8))
        #expect(subscriber.sent == [1, 2, 3])
    }
}
