import BelfryModel
import Bus
import NIOCore
import Testing

@testable import RedisBus

struct SubscriberMachineTests {
    private let names = ChannelNames()
    private let alice = Address.user("alice")
    private let bob = Address.user("bob")

    private func answer(_ kind: String, _ address: Address) -> RESPValue {
        .array([.bulk(kind), .bulkString(ByteBuffer(bytes: names.bytes(of: address))), .integer(1)])
    }

    private func message(_ text: String, _ address: Address) -> RESPValue {
        .array([.bulk("message"), .bulkString(ByteBuffer(bytes: names.bytes(of: address))), .bulk(text)])
    }

    private func connected() -> SubscriberMachine {
        var machine = SubscriberMachine(names: names)
        _ = machine.connected()
        return machine
    }

    /// Connected, with `alice` subscribed and answered.
    private func live() throws -> SubscriberMachine {
        var machine = connected()
        _ = machine.subscribe(alice)
        _ = machine.turnEnded()
        let action = try machine.valueReceived(answer("subscribe", alice))
        #expect(action == .subscribed(alice))
        return machine
    }

    @Test func callsOfOneTurnAreOneCommand() {
        var machine = connected()
        let asks = [machine.subscribe(alice), machine.subscribe(bob), machine.subscribe(alice)]
        #expect(asks == [true, false, false])
        let turn = machine.turnEnded()
        #expect(turn.commands == [.subscribe([alice, bob])])
        let next = machine.turnEnded()
        #expect(next == SubscriberMachine.Turn())
    }

    @Test func aThousandChannelsGoIntoACommand() {
        var machine = connected()
        for number in 0..<2_001 { _ = machine.subscribe(.user("\(number)")) }
        let turn = machine.turnEnded()
        let sizes = turn.commands.map { if case .subscribe(let addresses) = $0 { addresses.count } else { 0 } }
        #expect(sizes == [1_000, 1_000, 1])
    }

    @Test func beforeTheConnectionNothingIsSentAndThenEverything() {
        var machine = SubscriberMachine(names: names)
        _ = machine.subscribe(alice)
        _ = machine.subscribe(bob)
        _ = machine.unsubscribe(bob)
        let turn = machine.turnEnded()
        #expect(turn == SubscriberMachine.Turn())
        let commands = machine.connected()
        #expect(commands == [.subscribe([alice])])
    }

    @Test func aChangeOfTheSameTurnAsTheConnectionIsNotSentTwice() {
        var machine = SubscriberMachine(names: names)
        _ = machine.subscribe(alice)
        let commands = machine.connected()
        let turn = machine.turnEnded()
        #expect(commands == [.subscribe([alice])])
        #expect(turn == SubscriberMachine.Turn())
    }

    @Test func messagesFlowFromTheAnswerOn() throws {
        var machine = connected()
        _ = machine.subscribe(alice)
        _ = machine.turnEnded()
        let early = try machine.valueReceived(message("0", alice))
        #expect(early == .none)
        _ = try machine.valueReceived(answer("subscribe", alice))
        let action = try machine.valueReceived(message("1", alice))
        #expect(action == .message(alice, ByteBuffer(string: "1")))
        let foreign = try machine.valueReceived(message("1", bob))
        #expect(foreign == .none)
    }

    @Test func unsubscribeStopsMessagesAtOnceAndTellsRedisAtTheEndOfTheTurn() throws {
        var machine = try live()
        let asked = machine.unsubscribe(alice)
        #expect(asked)
        let action = try machine.valueReceived(message("1", alice))
        #expect(action == .none)
        let turn = machine.turnEnded()
        #expect(turn.commands == [.unsubscribe([alice])])
        let answered = try machine.valueReceived(answer("unsubscribe", alice))
        #expect(answered == .none)
        let again = machine.unsubscribe(alice)
        #expect(!again)
    }

    @Test func givenUpAndWantedAgainInOneTurnIsAnnouncedWithoutACommand() throws {
        var machine = try live()
        _ = machine.unsubscribe(alice)
        _ = machine.subscribe(alice)
        let between = try machine.valueReceived(message("1", alice))
        #expect(between == .none)
        let turn = machine.turnEnded()
        #expect(turn == SubscriberMachine.Turn(commands: [], subscribed: [alice]))
        let action = try machine.valueReceived(message("2", alice))
        #expect(action == .message(alice, ByteBuffer(string: "2")))
    }

    @Test func wantedAndGivenUpInOneTurnSendsNothing() {
        var machine = connected()
        _ = machine.subscribe(alice)
        _ = machine.unsubscribe(alice)
        let turn = machine.turnEnded()
        #expect(turn == SubscriberMachine.Turn())
    }

    /// The answer to the first SUBSCRIBE must not be taken for that to the second: between them Redis knew no
    /// subscriber.
    @Test func onlyTheLastAnswerCounts() throws {
        var machine = connected()
        _ = machine.subscribe(alice)
        _ = machine.turnEnded()
        _ = machine.unsubscribe(alice)
        _ = machine.turnEnded()
        _ = machine.subscribe(alice)
        _ = machine.turnEnded()
        let actions = [
            try machine.valueReceived(answer("subscribe", alice)), try machine.valueReceived(message("1", alice)),
            try machine.valueReceived(answer("unsubscribe", alice)),
            try machine.valueReceived(answer("subscribe", alice)), try machine.valueReceived(message("2", alice)),
        ]
        #expect(actions == [.none, .none, .none, .subscribed(alice), .message(alice, ByteBuffer(string: "2"))])
    }

    @Test func anAnswerThatComesBeforeTheTurnsEndDoesNotReviveTheAddress() throws {
        var machine = connected()
        _ = machine.subscribe(alice)
        _ = machine.turnEnded()
        _ = machine.unsubscribe(alice)
        let action = try machine.valueReceived(answer("subscribe", alice))
        #expect(action == .none)
        let turn = machine.turnEnded()
        #expect(turn.commands == [.unsubscribe([alice])])
    }

    @Test func afterADisconnectionEverythingWantedIsAskedForAgain() throws {
        var machine = try live()
        _ = machine.subscribe(bob)
        machine.disconnected()
        let stale = try machine.valueReceived(message("1", alice))
        #expect(stale == .none)
        _ = machine.subscribe(.topic("news"))
        _ = machine.unsubscribe(bob)
        let turn = machine.turnEnded()
        #expect(turn == SubscriberMachine.Turn())
        let commands = machine.connected()
        let addresses: [Address] = commands.flatMap { command in
            if case .subscribe(let addresses) = command { addresses } else { [Address]() }
        }
        #expect(Set(addresses) == [alice, .topic("news")])
        let action = try machine.valueReceived(answer("subscribe", alice))
        #expect(action == .subscribed(alice))
    }

    @Test func aDisconnectionForgetsWhatWasUnanswered() throws {
        var machine = connected()
        _ = machine.subscribe(alice)
        _ = machine.turnEnded()
        _ = machine.unsubscribe(alice)
        _ = machine.turnEnded()
        machine.disconnected()
        let commands = machine.connected()
        #expect(commands.isEmpty)
        let asked = machine.subscribe(alice)
        #expect(asked)
    }

    @Test(arguments: [
        RESPValue.array([.bulk("pong"), .bulk("")]), .simpleString(ByteBuffer(string: "PONG")),
    ])
    func answersToPingAreNothing(value: RESPValue) throws {
        var machine = connected()
        let action = try machine.valueReceived(value)
        #expect(action == .none)
    }

    @Test(arguments: [
        RESPValue.integer(1), .null, .bulk("x"), .array([]), .array([.bulk("message")]),
        .array([.bulk("message"), .bulk("belfry:u:alice")]),
        .array([.bulk("message"), .bulk("belfry:u:alice"), .integer(1)]),
        .array([.integer(1), .bulk("belfry:u:alice"), .bulk("x")]),
        .array([.bulk("pmessage"), .bulk("belfry:u:alice"), .bulk("x")]),
        .array([.bulk("subscribe"), .bulk("elsewhere"), .integer(1)]),
        .array([.bulk("subscribe"), .bulk("belfry:u:bob"), .integer(1)]),
        .array([.bulk("unsubscribe"), .bulk("belfry:u:alice"), .integer(1)]),
    ])
    func whatDoesNotBelongThereIsRefused(value: RESPValue) throws {
        var machine = try live()
        var code: BusError.Code?
        do throws(BusError) { _ = try machine.valueReceived(value) } catch { code = error.code }
        #expect(code == .protocolViolation)
    }

    @Test func aRefusalIsToldInTheServersWords() throws {
        var machine = connected()
        var message = ""
        do throws(BusError) {
            _ = try machine.valueReceived(.error("NOPERM this user has no permissions to access a channel"))
        } catch {
            message = error.message
            #expect(error.code == .refused)
        }
        #expect(message.contains("NOPERM"))
    }
}
