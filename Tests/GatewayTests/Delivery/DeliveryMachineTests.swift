import BelfryModel
import NIOCore
import Testing

@testable import Gateway

/// Every state of a user's subscription × every event.
@Suite("DeliveryMachine")
struct DeliveryMachineTests {
    enum State: CaseIterable {
        case opening, reading, requested, paused, repeating, live, saturated, ended
    }

    /// Sees transactions below 10.
    private static let floor = snapshot("10:10:")
    /// Sees transactions below 20, but 15.
    private static let later = snapshot("15:20:15")

    private static func snapshot(_ text: String) -> TransactionSnapshot {
        guard let snapshot = TransactionSnapshot(text) else { preconditionFailure(text) }
        return snapshot
    }

    private static func message(_ id: Int64, _ xid: UInt64) -> Message {
        SimulatedSubscription.message(.init(id: MessageID(rawValue: id), xid: xid))
    }

    private static func id(_ value: Int64) -> MessageID { MessageID(rawValue: value) }

    /// A machine in a state; the reading ones are in a second reading, above `floor`.
    private static func machine(_ state: State, heldMax: Int = 2) -> MachineUnderTest {
        let machine = MachineUnderTest(source: .backlog, heldMax: heldMax)
        if state == .opening { return machine }
        machine.channelOpened()
        _ = machine.nextPage()
        _ = machine.pageSent(last: nil, snapshot: floor, isLast: true)
        switch state {
        case .opening, .live: break
        case .reading: machine.missedRowFound()
        case .requested:
            machine.missedRowFound()
            _ = machine.nextPage()
        case .paused:
            machine.missedRowFound()
            _ = machine.nextPage()
            machine.pageCutShort(last: id(3), snapshot: later)
        case .repeating:
            machine.missedRowFound()
            _ = machine.nextPage()
            machine.channelOpened()
        case .saturated: _ = machine.liveReceived(message(1, 30), hasRoom: false)
        case .ended: machine.ended()
        }
        return machine
    }

    private static let all = State.allCases

    // MARK: Questions

    @Test("Only a waiting reading wants a page, and wants it once", arguments: all)
    func nextPage(_ state: State) {
        let machine = Self.machine(state)
        let request = machine.nextPage()
        if state == .reading {
            #expect(request?.after == Self.id(0))
            #expect(request?.snapshot == nil)
            #expect(request?.floor == Self.floor)
        } else {
            #expect(request == nil)
        }
        #expect(machine.nextPage() == nil)
    }

    @Test("What a state says of itself", arguments: all)
    func questions(_ state: State) {
        let machine = Self.machine(state)
        #expect(machine.isOpening == (state == .opening))
        #expect(machine.isLive == (state == .live))
        #expect(machine.floor == ([.opening, .ended].contains(state) ? nil : Self.floor))
        let isRequested = state == .requested || state == .repeating
        #expect(machine.isCurrent(generation: 2) == isRequested)
        #expect(!machine.isCurrent(generation: 1))
        #expect(!machine.isCurrent(generation: 3))
    }

    // MARK: Events

    @Test("The channel opens", arguments: all)
    func channelOpened(_ state: State) {
        let machine = Self.machine(state)
        machine.channelOpened()
        switch state {
        case .opening:
            #expect(machine.nextPage() == .init(after: Self.id(0), snapshot: nil, floor: nil, generation: 1))
        case .live:
            #expect(machine.nextPage() == .init(after: Self.id(0), snapshot: nil, floor: Self.floor, generation: 2))
        case .reading:
            #expect(machine.nextPage()?.generation == 2)
            #expect(machine.pageSent(last: nil, snapshot: Self.later, isLast: true).isEmpty)
            #expect(machine.nextPage() == .init(after: Self.id(0), snapshot: nil, floor: Self.later, generation: 3))
        case .requested, .repeating:
            #expect(machine.isCurrent(generation: 2))
            #expect(machine.pageSent(last: nil, snapshot: Self.later, isLast: true).isEmpty)
            #expect(machine.nextPage() == .init(after: Self.id(0), snapshot: nil, floor: Self.later, generation: 3))
        case .paused:
            #expect(machine.nextPage() == nil)
        case .saturated, .ended:
            #expect(machine.nextPage() == nil)
            #expect(!machine.isLive)
        }
    }

    @Test("A reconcile finds a missed row: only a live subscription reads for it", arguments: all)
    func missedRowFound(_ state: State) {
        let machine = Self.machine(state)
        machine.missedRowFound()
        switch state {
        case .live:
            #expect(machine.nextPage() == .init(after: Self.id(0), snapshot: nil, floor: Self.floor, generation: 2))
        case .reading:
            #expect(machine.nextPage()?.generation == 2)
        case .opening, .requested, .paused, .repeating, .saturated, .ended:
            #expect(machine.nextPage() == nil)
        }
    }

    @Test("Another incarnation of PostgreSQL: everything is read from the start", arguments: all)
    func incarnationChanged(_ state: State) {
        let machine = Self.machine(state)
        machine.incarnationChanged()
        switch state {
        case .opening:
            #expect(machine.isOpening)
        case .ended:
            #expect(machine.nextPage() == nil)
        case .reading, .requested, .paused, .repeating, .live, .saturated:
            #expect(!machine.isCurrent(generation: 2), "an answer under way is overtaken")
            let request = machine.nextPage()
            #expect(request?.after == Self.id(0))
            #expect(request?.floor == nil)
            #expect(request?.snapshot == nil)
        }
    }

    @Test("A live message that nothing saw yet", arguments: all, [true, false])
    func liveReceived(_ state: State, hasRoom: Bool) {
        let machine = Self.machine(state)
        let verdict = machine.liveReceived(Self.message(9, 40), hasRoom: hasRoom)
        switch state {
        case .opening, .saturated, .ended: #expect(verdict == .drop)
        case .live: #expect(verdict == (hasRoom ? .deliver : .drop))
        case .reading, .requested, .paused: #expect(verdict == .hold)
        case .repeating: #expect(verdict == .drop)
        }
        #expect(machine.isLive == (state == .live && hasRoom))
    }

    @Test("A late copy of what the floor saw is dropped everywhere", arguments: all, [true, false])
    func lateCopy(_ state: State, hasRoom: Bool) {
        let machine = Self.machine(state)
        #expect(machine.liveReceived(Self.message(9, 5), hasRoom: hasRoom) == .drop)
        #expect(machine.isLive == (state == .live), "it takes no room")
    }

    @Test("Within a reading, what its snapshot sees is the pages' business")
    func seenBySnapshot() {
        let machine = Self.machine(.paused)
        #expect(machine.liveReceived(Self.message(9, 14), hasRoom: true) == .drop)
        #expect(machine.liveReceived(Self.message(9, 15), hasRoom: true) == .hold)
        #expect(machine.liveReceived(Self.message(10, 20), hasRoom: true) == .hold)
    }

    @Test("The last page ends the reading", arguments: all)
    func pageSent(_ state: State) {
        let machine = Self.machine(state)
        let wasLive = machine.isLive
        let held = machine.pageSent(last: Self.id(8), snapshot: Self.later, isLast: true)
        #expect(held.isEmpty)
        switch state {
        case .requested:
            #expect(machine.isLive)
            #expect(machine.floor == Self.later)
        case .repeating:
            #expect(!machine.isLive)
            #expect(machine.nextPage()?.floor == Self.later)
        case .opening, .reading, .paused, .live, .saturated, .ended:
            #expect(machine.isLive == wasLive)
            #expect(machine.floor != Self.later)
        }
    }

    @Test("A full page is followed by the next, under the first one's snapshot")
    func fullPage() {
        let machine = Self.machine(.requested)
        #expect(machine.pageSent(last: Self.id(8), snapshot: Self.later, isLast: false).isEmpty)
        #expect(
            machine.nextPage() == .init(after: Self.id(8), snapshot: Self.later, floor: Self.floor, generation: 2))
        // The snapshot of a later page is not the reading's.
        _ = machine.pageSent(last: Self.id(9), snapshot: Self.snapshot("99:99:"), isLast: true)
        #expect(machine.floor == Self.later)
    }

    @Test("Held messages follow the reading in their order, less what its snapshot sees")
    func heldMessages() {
        let machine = Self.machine(.requested, heldMax: 4)
        for (id, xid) in [(21, 19), (22, 15), (23, 20), (24, 21)] as [(Int64, UInt64)] {
            #expect(machine.liveReceived(Self.message(id, xid), hasRoom: true) == .hold)
        }
        let held = machine.pageSent(last: nil, snapshot: Self.later, isLast: true)
        #expect(held.map(\.id.rawValue) == [22, 23, 24])
        #expect(machine.isLive)
    }

    @Test("More than can be held: all are dropped, and the outbox is read once more")
    func tooManyHeld() {
        let machine = Self.machine(.requested, heldMax: 2)
        #expect(machine.liveReceived(Self.message(21, 20), hasRoom: true) == .hold)
        #expect(machine.liveReceived(Self.message(22, 21), hasRoom: true) == .hold)
        #expect(machine.liveReceived(Self.message(23, 22), hasRoom: true) == .drop)
        #expect(machine.liveReceived(Self.message(24, 23), hasRoom: true) == .drop)
        #expect(machine.pageSent(last: nil, snapshot: Self.later, isLast: true).isEmpty)
        #expect(machine.nextPage() == .init(after: Self.id(0), snapshot: nil, floor: Self.later, generation: 3))
    }

    @Test("A page is cut short for want of room", arguments: all)
    func pageCutShort(_ state: State) {
        let machine = Self.machine(state)
        machine.pageCutShort(last: Self.id(8), snapshot: Self.later)
        if state == .requested || state == .repeating {
            #expect(machine.nextPage() == nil, "not before there is room")
            machine.roomMade()
            #expect(
                machine.nextPage() == .init(after: Self.id(8), snapshot: Self.later, floor: Self.floor, generation: 2))
        } else {
            let isReading = state == .reading
            #expect((machine.nextPage() != nil) == isReading)
        }
    }

    @Test("Cut short at its first row, a page is read again from the same place")
    func cutShortAtFirstRow() {
        let machine = Self.machine(.requested)
        machine.pageCutShort(last: nil, snapshot: Self.later)
        machine.roomMade()
        #expect(
            machine.nextPage() == .init(after: Self.id(0), snapshot: Self.later, floor: Self.floor, generation: 2))
    }

    @Test("Held messages found no room", arguments: all)
    func heldCutShort(_ state: State) {
        let machine = Self.machine(state)
        machine.heldCutShort([Self.message(9, 40)])
        if state == .live {
            #expect(!machine.isLive)
            #expect(machine.floor == Self.floor)
            machine.roomMade()
            #expect(machine.nextPage()?.floor == Self.floor)
        } else {
            #expect((machine.nextPage() != nil) == (state == .reading))
        }
    }

    @Test("A page that failed is wanted again, unchanged", arguments: all)
    func pageFailed(_ state: State) {
        let machine = Self.machine(state)
        machine.pageFailed()
        let wantsPage = [.reading, .requested, .repeating].contains(state)
        #expect((machine.nextPage() != nil) == wantsPage)
        #expect(machine.isLive == (state == .live))
    }

    @Test("There is room again", arguments: all)
    func roomMade(_ state: State) {
        let machine = Self.machine(state)
        machine.roomMade()
        switch state {
        case .saturated:
            #expect(machine.nextPage() == .init(after: Self.id(0), snapshot: nil, floor: Self.floor, generation: 2))
        case .paused:
            #expect(
                machine.nextPage()
                    == .init(after: Self.id(3), snapshot: Self.later, floor: Self.floor, generation: 2))
        case .reading:
            #expect(machine.nextPage()?.generation == 2)
        case .opening, .requested, .repeating, .live, .ended:
            #expect(machine.nextPage() == nil)
            #expect(machine.isLive == (state == .live))
        }
    }

    @Test("The end is the end", arguments: all)
    func ended(_ state: State) {
        let machine = Self.machine(state)
        machine.ended()
        machine.channelOpened()
        machine.missedRowFound()
        machine.incarnationChanged()
        machine.roomMade()
        machine.pageFailed()
        #expect(machine.nextPage() == nil)
        #expect(machine.liveReceived(Self.message(9, 40), hasRoom: true) == .drop)
        #expect(!machine.isLive)
    }
}
