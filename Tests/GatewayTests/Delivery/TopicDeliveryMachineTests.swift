import BelfryModel
import Testing

@testable import Gateway

/// What differs for a topic, whose past is read by id.
@Suite("DeliveryMachine of a topic")
struct TopicDeliveryMachineTests {
    private static func snapshot(_ text: String) -> TransactionSnapshot {
        guard let snapshot = TransactionSnapshot(text) else { preconditionFailure(text) }
        return snapshot
    }

    private static func message(_ id: Int64, _ xid: UInt64) -> Message {
        SimulatedSubscription.message(.init(id: MessageID(rawValue: id), xid: xid))
    }

    private static func id(_ value: Int64) -> MessageID { MessageID(rawValue: value) }

    @Test("Without a last id a topic has no past: live at once")
    func noPast() {
        let machine = MachineUnderTest(source: .topic(after: nil), heldMax: 2)
        #expect(machine.liveReceived(Self.message(1, 1), hasRoom: true) == .drop)
        machine.channelOpened()
        #expect(machine.isLive)
        #expect(machine.nextPage() == nil)
        #expect(machine.liveReceived(Self.message(2, 2), hasRoom: true) == .deliver)
    }

    @Test("With a last id, what came after it is read first; 0 means everything", arguments: [0, 7])
    func past(_ last: Int64) {
        let machine = MachineUnderTest(source: .topic(after: Self.id(last)), heldMax: 2)
        machine.channelOpened()
        #expect(machine.nextPage() == .init(after: Self.id(last), snapshot: nil, floor: nil, generation: 1))
        #expect(machine.liveReceived(Self.message(9, 12), hasRoom: true) == .hold)
        _ = machine.pageSent(last: Self.id(8), snapshot: Self.snapshot("10:10:"), isLast: false)
        #expect(machine.nextPage()?.after == Self.id(8))
        let held = machine.pageSent(last: nil, snapshot: Self.snapshot("10:10:"), isLast: true)
        #expect(held.map(\.id.rawValue) == [9])
        #expect(machine.isLive)
    }

    @Test("Read again after an outage, a topic starts after what was delivered")
    func outage() {
        let machine = MachineUnderTest(source: .topic(after: nil), heldMax: 2)
        machine.channelOpened()
        machine.delivered(Self.id(5))
        machine.delivered(Self.id(4))
        machine.channelOpened()
        #expect(machine.nextPage()?.after == Self.id(5))
    }

    @Test("A live copy of what a page brought is dropped")
    func lateCopy() {
        let machine = MachineUnderTest(source: .topic(after: Self.id(0)), heldMax: 2)
        machine.channelOpened()
        _ = machine.nextPage()
        machine.delivered(Self.id(5))
        _ = machine.pageSent(last: Self.id(5), snapshot: Self.snapshot("10:10:"), isLast: true)
        #expect(machine.liveReceived(Self.message(5, 9), hasRoom: true) == .drop)
        #expect(machine.liveReceived(Self.message(6, 10), hasRoom: true) == .deliver)
    }

    @Test("A broadcast that commits late, under an id below what was read, is not taken for a late copy")
    func straggler() {
        let machine = MachineUnderTest(source: .topic(after: Self.id(100)), heldMax: 2)
        machine.channelOpened()
        _ = machine.nextPage()
        // Its id is below where the pages start, though their snapshot will see it.
        #expect(machine.liveReceived(Self.message(99, 9), hasRoom: true) == .deliver)
        _ = machine.pageSent(last: nil, snapshot: Self.snapshot("10:10:"), isLast: true)
        #expect(machine.liveReceived(Self.message(98, 8), hasRoom: true) == .deliver)
    }

    @Test("While there is no room, only what a later reading can't bring goes through")
    func saturated() {
        let machine = MachineUnderTest(source: .topic(after: nil), heldMax: 2)
        machine.channelOpened()
        machine.delivered(Self.id(5))
        #expect(machine.liveReceived(Self.message(6, 12), hasRoom: false) == .drop)
        #expect(!machine.isLive)
        #expect(machine.liveReceived(Self.message(7, 13), hasRoom: true) == .drop)
        #expect(machine.liveReceived(Self.message(4, 11), hasRoom: false) == .deliver)
        machine.roomMade()
        #expect(machine.nextPage()?.after == Self.id(5))
    }

    @Test("What was held and dropped is read again, though pages went past it, and nothing else is")
    func droppedWhileReading() {
        let machine = MachineUnderTest(source: .topic(after: Self.id(0)), heldMax: 1)
        let seen = Self.snapshot("10:11:")
        machine.channelOpened()
        _ = machine.nextPage()
        machine.delivered(Self.id(3))
        _ = machine.pageSent(last: Self.id(3), snapshot: seen, isLast: false)
        #expect(machine.liveReceived(Self.message(5, 12), hasRoom: true) == .hold)
        #expect(machine.liveReceived(Self.message(8, 13), hasRoom: true) == .drop)
        _ = machine.nextPage()
        machine.delivered(Self.id(4))
        machine.delivered(Self.id(6))
        #expect(machine.pageSent(last: Self.id(6), snapshot: seen, isLast: true).isEmpty)
        #expect(machine.nextPage()?.after == Self.id(4))
        #expect(machine.brings(Self.id(5)))
        #expect(!machine.brings(Self.id(6)))
        #expect(machine.brings(Self.id(7)))
    }
}
