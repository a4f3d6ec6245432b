import BelfryModel
import NIOCore
import Testing

@testable import Delivery

/// Every state of a user's subscription × every event.
@Suite("QueueSplice")
struct QueueSpliceTests {
    enum State: CaseIterable {
        case opening, reading, requested, paused, repeating, live, saturated, ended
    }

    /// Sees transactions below 10.
    private static let covered = snapshot("10:10:")
    /// Sees transactions below 20, but 15.
    private static let later = snapshot("15:20:15")

    private static func snapshot(_ text: String) -> TransactionSnapshot {
        guard let snapshot = TransactionSnapshot(text) else { preconditionFailure(text) }
        return snapshot
    }

    private static func message(_ id: Int64, _ xid: UInt64) -> Message {
        .sample(id, xid: xid)
    }

    private static func id(_ value: Int64) -> MessageID { MessageID(rawValue: value) }

    /// A splice in a state; the reading ones are in a second reading, above `covered`.
    private static func splice(_ state: State, heldMax: Int = 2) -> QueueUnderTest {
        let splice = QueueUnderTest(heldMax: heldMax)
        if state == .opening { return splice }
        splice.channelOpened()
        _ = splice.nextPage()
        _ = splice.pageSent(last: nil, snapshot: covered, isLast: true)
        switch state {
        case .opening, .live: break
        case .reading: splice.missedRowFound()
        case .requested:
            splice.missedRowFound()
            _ = splice.nextPage()
        case .paused:
            splice.missedRowFound()
            _ = splice.nextPage()
            splice.pageCutShort(last: id(3), snapshot: later)
        case .repeating:
            splice.missedRowFound()
            _ = splice.nextPage()
            splice.channelOpened()
        case .saturated: _ = splice.liveReceived(message(1, 30), hasRoom: false)
        case .ended: splice.ended()
        }
        return splice
    }

    private static let all = State.allCases

    // MARK: Questions

    @Test("Only a waiting reading wants a page, and wants it once", arguments: all)
    func nextPage(_ state: State) {
        let splice = Self.splice(state)
        let request = splice.nextPage()
        if state == .reading {
            #expect(request?.after == Self.id(0))
            #expect(request?.snapshot == nil)
            #expect(request?.covered == Self.covered)
        } else {
            #expect(request == nil)
        }
        #expect(splice.nextPage() == nil)
    }

    @Test("What a state says of itself", arguments: all)
    func questions(_ state: State) {
        let splice = Self.splice(state)
        #expect(splice.isOpening == (state == .opening))
        #expect(splice.isLive == (state == .live))
        #expect(splice.covered == ([.opening, .ended].contains(state) ? nil : Self.covered))
        let isRequested = state == .requested || state == .repeating
        #expect(splice.isCurrent(generation: 2) == isRequested)
        #expect(!splice.isCurrent(generation: 1))
        #expect(!splice.isCurrent(generation: 3))
    }

    // MARK: Events

    @Test("The channel opens", arguments: all)
    func channelOpened(_ state: State) {
        let splice = Self.splice(state)
        splice.channelOpened()
        switch state {
        case .opening:
            #expect(splice.nextPage() == .init(after: Self.id(0), snapshot: nil, covered: nil, generation: 1))
        case .live:
            #expect(splice.nextPage() == .init(after: Self.id(0), snapshot: nil, covered: Self.covered, generation: 2))
        case .reading:
            #expect(splice.nextPage()?.generation == 2)
            #expect(splice.pageSent(last: nil, snapshot: Self.later, isLast: true).isEmpty)
            #expect(splice.nextPage() == .init(after: Self.id(0), snapshot: nil, covered: Self.later, generation: 3))
        case .requested, .repeating:
            #expect(splice.isCurrent(generation: 2))
            #expect(splice.pageSent(last: nil, snapshot: Self.later, isLast: true).isEmpty)
            #expect(splice.nextPage() == .init(after: Self.id(0), snapshot: nil, covered: Self.later, generation: 3))
        case .paused:
            #expect(splice.nextPage() == nil)
        case .saturated, .ended:
            #expect(splice.nextPage() == nil)
            #expect(!splice.isLive)
        }
    }

    @Test("A reconcile finds a missed row: only a live subscription reads for it", arguments: all)
    func missedRowFound(_ state: State) {
        let splice = Self.splice(state)
        splice.missedRowFound()
        switch state {
        case .live:
            #expect(splice.nextPage() == .init(after: Self.id(0), snapshot: nil, covered: Self.covered, generation: 2))
        case .reading:
            #expect(splice.nextPage()?.generation == 2)
        case .opening, .requested, .paused, .repeating, .saturated, .ended:
            #expect(splice.nextPage() == nil)
        }
    }

    @Test("Another incarnation of PostgreSQL: everything is read from the start", arguments: all)
    func incarnationChanged(_ state: State) {
        let splice = Self.splice(state)
        splice.incarnationChanged()
        switch state {
        case .opening:
            #expect(splice.isOpening)
        case .ended:
            #expect(splice.nextPage() == nil)
        case .reading, .requested, .paused, .repeating, .live, .saturated:
            #expect(!splice.isCurrent(generation: 2), "an answer under way is overtaken")
            let request = splice.nextPage()
            #expect(request?.after == Self.id(0))
            #expect(request?.covered == nil)
            #expect(request?.snapshot == nil)
        }
    }

    @Test("A live message that nothing saw yet", arguments: all, [true, false])
    func liveReceived(_ state: State, hasRoom: Bool) {
        let splice = Self.splice(state)
        let verdict = splice.liveReceived(Self.message(9, 40), hasRoom: hasRoom)
        switch state {
        case .opening, .saturated, .ended: #expect(verdict == .drop)
        case .live: #expect(verdict == (hasRoom ? .deliver : .drop))
        case .reading, .requested: #expect(verdict == .hold)
        case .paused, .repeating: #expect(verdict == .drop)
        }
        #expect(splice.isLive == (state == .live && hasRoom))
    }

    @Test("A late copy of what a reading covered is dropped everywhere", arguments: all, [true, false])
    func lateCopy(_ state: State, hasRoom: Bool) {
        let splice = Self.splice(state)
        #expect(splice.liveReceived(Self.message(9, 5), hasRoom: hasRoom) == .drop)
        #expect(splice.isLive == (state == .live), "it takes no room")
    }

    @Test("Within a reading, what its snapshot sees is the pages' business")
    func seenBySnapshot() {
        let splice = Self.splice(.requested)
        _ = splice.pageSent(last: Self.id(3), snapshot: Self.later, isLast: false)
        #expect(splice.liveReceived(Self.message(9, 14), hasRoom: true) == .drop)
        #expect(splice.liveReceived(Self.message(9, 15), hasRoom: true) == .hold)
        #expect(splice.liveReceived(Self.message(10, 20), hasRoom: true) == .hold)
    }

    @Test("The last page ends the reading", arguments: all)
    func pageSent(_ state: State) {
        let splice = Self.splice(state)
        let wasLive = splice.isLive
        let held = splice.pageSent(last: Self.id(8), snapshot: Self.later, isLast: true)
        #expect(held.isEmpty)
        switch state {
        case .requested:
            #expect(splice.isLive)
            #expect(splice.covered == Self.later)
        case .repeating:
            #expect(!splice.isLive)
            #expect(splice.nextPage()?.covered == Self.later)
        case .opening, .reading, .paused, .live, .saturated, .ended:
            #expect(splice.isLive == wasLive)
            #expect(splice.covered != Self.later)
        }
    }

    @Test("A full page is followed by the next, under the first one's snapshot")
    func fullPage() {
        let splice = Self.splice(.requested)
        #expect(splice.pageSent(last: Self.id(8), snapshot: Self.later, isLast: false).isEmpty)
        #expect(
            splice.nextPage() == .init(after: Self.id(8), snapshot: Self.later, covered: Self.covered, generation: 2))
        // The snapshot of a later page is not the reading's.
        _ = splice.pageSent(last: Self.id(9), snapshot: Self.snapshot("99:99:"), isLast: true)
        #expect(splice.covered == Self.later)
    }

    @Test("Held messages follow the reading in their order, less what its snapshot sees")
    func heldMessages() {
        let splice = Self.splice(.requested, heldMax: 4)
        for (id, xid) in [(21, 19), (22, 15), (23, 20), (24, 21)] as [(Int64, UInt64)] {
            #expect(splice.liveReceived(Self.message(id, xid), hasRoom: true) == .hold)
        }
        let held = splice.pageSent(last: nil, snapshot: Self.later, isLast: true)
        #expect(held.map(\.id.rawValue) == [22, 23, 24])
        #expect(splice.isLive)
    }

    @Test("More than can be held: all are dropped, and the outbox is read once more")
    func tooManyHeld() {
        let splice = Self.splice(.requested, heldMax: 2)
        #expect(splice.liveReceived(Self.message(21, 20), hasRoom: true) == .hold)
        #expect(splice.liveReceived(Self.message(22, 21), hasRoom: true) == .hold)
        #expect(splice.liveReceived(Self.message(23, 22), hasRoom: true) == .drop)
        #expect(splice.liveReceived(Self.message(24, 23), hasRoom: true) == .drop)
        #expect(splice.pageSent(last: nil, snapshot: Self.later, isLast: true).isEmpty)
        #expect(splice.nextPage() == .init(after: Self.id(0), snapshot: nil, covered: Self.later, generation: 3))
    }

    @Test("A page is cut short for want of room", arguments: all)
    func pageCutShort(_ state: State) {
        let splice = Self.splice(state)
        splice.pageCutShort(last: Self.id(8), snapshot: Self.later)
        if state == .requested || state == .repeating {
            #expect(splice.nextPage() == nil, "not before there is room")
            splice.roomMade()
            #expect(
                splice.nextPage()
                    == .init(after: Self.id(8), snapshot: Self.later, covered: Self.covered, generation: 2))
        } else {
            let isReading = state == .reading
            #expect((splice.nextPage() != nil) == isReading)
        }
    }

    @Test("While there is no room nothing is held: the outbox is read once more")
    func nothingIsHeldWithoutRoom() {
        let splice = Self.splice(.requested)
        #expect(splice.liveReceived(Self.message(21, 20), hasRoom: true) == .hold)
        splice.pageCutShort(last: Self.id(8), snapshot: Self.later)
        #expect(splice.liveReceived(Self.message(22, 21), hasRoom: true) == .drop)
        splice.roomMade()
        _ = splice.nextPage()
        #expect(splice.liveReceived(Self.message(23, 22), hasRoom: true) == .drop, "it is read anyway")
        #expect(splice.pageSent(last: nil, snapshot: Self.later, isLast: true).isEmpty)
        #expect(splice.nextPage() == .init(after: Self.id(0), snapshot: nil, covered: Self.later, generation: 3))
    }

    @Test("A reading that is cut short, with nothing live meanwhile, is the last")
    func nothingComesWithoutRoom() {
        let splice = Self.splice(.requested)
        splice.pageCutShort(last: Self.id(8), snapshot: Self.later)
        splice.roomMade()
        _ = splice.nextPage()
        _ = splice.pageSent(last: nil, snapshot: Self.later, isLast: true)
        #expect(splice.isLive)
    }

    @Test("What is held by many is held once, apart from what else came with it")
    func heldOnce() {
        func address(of bytes: ByteBuffer) -> UnsafeRawPointer? { bytes.withUnsafeReadableBytes { $0.baseAddress } }
        var message = Self.message(21, 20)
        let original = address(of: message.body)
        #expect(Self.splice(.requested).liveReceived(&message, hasRoom: true) == .hold)
        let kept = address(of: message.body)
        #expect(kept != original)
        #expect(Self.splice(.requested).liveReceived(&message, hasRoom: true) == .hold)
        #expect(address(of: message.body) == kept)
    }

    @Test("Cut short at its first row, a page is read again from the same place")
    func cutShortAtFirstRow() {
        let splice = Self.splice(.requested)
        splice.pageCutShort(last: nil, snapshot: Self.later)
        splice.roomMade()
        #expect(
            splice.nextPage() == .init(after: Self.id(0), snapshot: Self.later, covered: Self.covered, generation: 2))
    }

    @Test("Held messages found no room", arguments: all)
    func heldCutShort(_ state: State) {
        let splice = Self.splice(state)
        splice.heldCutShort()
        if state == .live {
            #expect(!splice.isLive)
            #expect(splice.covered == Self.covered)
            splice.roomMade()
            #expect(splice.nextPage()?.covered == Self.covered)
        } else {
            #expect((splice.nextPage() != nil) == (state == .reading))
        }
    }

    @Test("A page that failed is wanted again, unchanged", arguments: all)
    func pageFailed(_ state: State) {
        let splice = Self.splice(state)
        splice.pageFailed()
        let wantsPage = [.reading, .requested, .repeating].contains(state)
        #expect((splice.nextPage() != nil) == wantsPage)
        #expect(splice.isLive == (state == .live))
    }

    @Test("There is room again", arguments: all)
    func roomMade(_ state: State) {
        let splice = Self.splice(state)
        splice.roomMade()
        switch state {
        case .saturated:
            #expect(splice.nextPage() == .init(after: Self.id(0), snapshot: nil, covered: Self.covered, generation: 2))
        case .paused:
            #expect(
                splice.nextPage()
                    == .init(after: Self.id(3), snapshot: Self.later, covered: Self.covered, generation: 2))
        case .reading:
            #expect(splice.nextPage()?.generation == 2)
        case .opening, .requested, .repeating, .live, .ended:
            #expect(splice.nextPage() == nil)
            #expect(splice.isLive == (state == .live))
        }
    }

    @Test("The end is the end", arguments: all)
    func ended(_ state: State) {
        let splice = Self.splice(state)
        splice.ended()
        splice.channelOpened()
        splice.missedRowFound()
        splice.incarnationChanged()
        splice.roomMade()
        splice.pageFailed()
        #expect(splice.nextPage() == nil)
        #expect(splice.liveReceived(Self.message(9, 40), hasRoom: true) == .drop)
        #expect(!splice.isLive)
    }
}
