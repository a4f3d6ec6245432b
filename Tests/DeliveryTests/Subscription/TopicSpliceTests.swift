import BelfryModel
import Testing

@testable import Delivery

/// The past of a topic is read by id.
@Suite("TopicSplice")
struct TopicSpliceTests {
    private static func snapshot(_ text: String) -> TransactionSnapshot {
        guard let snapshot = TransactionSnapshot(text) else { preconditionFailure(text) }
        return snapshot
    }

    private static func message(_ id: Int64, _ xid: UInt64) -> Message {
        .sample(id, xid: xid)
    }

    private static func id(_ value: Int64) -> MessageID { MessageID(rawValue: value) }

    @Test("Without a last id a topic has no past: live at once")
    func noPast() {
        let splice = TopicUnderTest(after: nil, heldMax: 2)
        #expect(splice.liveReceived(Self.message(1, 1), hasRoom: true) == .drop)
        splice.channelOpened()
        #expect(splice.isLive)
        #expect(splice.nextPage() == nil)
        #expect(splice.liveReceived(Self.message(2, 2), hasRoom: true) == .deliver)
    }

    @Test("With a last id, what came after it is read first; 0 means everything", arguments: [0, 7])
    func past(_ last: Int64) {
        let splice = TopicUnderTest(after: Self.id(last), heldMax: 2)
        splice.channelOpened()
        #expect(splice.nextPage() == .init(after: Self.id(last), snapshot: nil, covered: nil, generation: 1))
        #expect(splice.liveReceived(Self.message(9, 12), hasRoom: true) == .hold)
        _ = splice.pageSent(last: Self.id(8), snapshot: Self.snapshot("10:10:"), isLast: false)
        #expect(splice.nextPage()?.after == Self.id(8))
        let held = splice.pageSent(last: nil, snapshot: Self.snapshot("10:10:"), isLast: true)
        #expect(held.map(\.id.rawValue) == [9])
        #expect(splice.isLive)
    }

    @Test("Read again after an outage, a topic starts after what was delivered")
    func outage() {
        let splice = TopicUnderTest(after: nil, heldMax: 2)
        splice.channelOpened()
        splice.delivered(Self.id(5))
        splice.delivered(Self.id(4))
        splice.channelOpened()
        #expect(splice.nextPage()?.after == Self.id(5))
    }

    @Test("A live copy of what a page brought is dropped")
    func lateCopy() {
        let splice = TopicUnderTest(after: Self.id(0), heldMax: 2)
        splice.channelOpened()
        _ = splice.nextPage()
        splice.delivered(Self.id(5))
        _ = splice.pageSent(last: Self.id(5), snapshot: Self.snapshot("10:10:"), isLast: true)
        #expect(splice.liveReceived(Self.message(5, 9), hasRoom: true) == .drop)
        #expect(splice.liveReceived(Self.message(6, 10), hasRoom: true) == .deliver)
    }

    @Test("A broadcast that commits late, under an id below what was read, is not taken for a late copy")
    func straggler() {
        let splice = TopicUnderTest(after: Self.id(100), heldMax: 2)
        splice.channelOpened()
        _ = splice.nextPage()
        // Its id is below where the pages start, though their snapshot will see it.
        #expect(splice.liveReceived(Self.message(99, 9), hasRoom: true) == .deliver)
        _ = splice.pageSent(last: nil, snapshot: Self.snapshot("10:10:"), isLast: true)
        #expect(splice.liveReceived(Self.message(98, 8), hasRoom: true) == .deliver)
    }

    @Test("While there is no room nothing goes through, and what comes under a lower id is read later")
    func saturated() {
        let splice = TopicUnderTest(after: nil, heldMax: 2)
        splice.channelOpened()
        splice.delivered(Self.id(5))
        #expect(splice.liveReceived(Self.message(6, 12), hasRoom: false) == .drop)
        #expect(!splice.isLive)
        #expect(splice.liveReceived(Self.message(7, 13), hasRoom: true) == .drop)
        #expect(splice.liveReceived(Self.message(3, 10), hasRoom: true) == .deliver)
        #expect(splice.liveReceived(Self.message(4, 11), hasRoom: false) == .drop)
        splice.roomMade()
        #expect(splice.nextPage()?.after == Self.id(3))
        #expect(splice.brings(Self.id(4)) && !splice.brings(Self.id(5)) && splice.brings(Self.id(6)))
    }

    @Test("Who has everything by the ids that he names, and acknowledges nothing, gets no more than his window")
    func highestLastMessageID() {
        let splice = TopicUnderTest(after: MessageID(rawValue: .max), heldMax: 2)
        splice.channelOpened()
        _ = splice.nextPage()
        _ = splice.pageSent(last: nil, snapshot: Self.snapshot("10:10:"), isLast: true)
        #expect(splice.liveReceived(Self.message(4, 11), hasRoom: true) == .deliver)
        #expect(splice.liveReceived(Self.message(5, 12), hasRoom: false) == .drop)
        #expect(splice.liveReceived(Self.message(6, 13), hasRoom: false) == .drop)
        splice.roomMade()
        #expect(splice.nextPage()?.after == Self.id(4))
    }

    @Test("What was held and dropped is read again, though pages went past it, and nothing else is")
    func droppedWhileReading() {
        let splice = TopicUnderTest(after: Self.id(0), heldMax: 1)
        let seen = Self.snapshot("10:11:")
        splice.channelOpened()
        _ = splice.nextPage()
        splice.delivered(Self.id(3))
        _ = splice.pageSent(last: Self.id(3), snapshot: seen, isLast: false)
        #expect(splice.liveReceived(Self.message(5, 12), hasRoom: true) == .hold)
        #expect(splice.liveReceived(Self.message(8, 13), hasRoom: true) == .drop)
        _ = splice.nextPage()
        splice.delivered(Self.id(4))
        splice.delivered(Self.id(6))
        #expect(splice.pageSent(last: Self.id(6), snapshot: seen, isLast: true).isEmpty)
        #expect(splice.nextPage()?.after == Self.id(4))
        #expect(splice.brings(Self.id(5)))
        #expect(!splice.brings(Self.id(6)))
        #expect(splice.brings(Self.id(7)))
    }
}
