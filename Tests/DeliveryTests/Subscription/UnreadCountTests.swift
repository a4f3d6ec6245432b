import BelfryModel
import Testing

@testable import Delivery

/// When a user's queue is to be read with a count of what is unread: in every state, after every event.
@Suite struct UnreadCountTests {
    enum State: CaseIterable {
        case opening, reading, requested, counted, betweenPages, paused, live, saturated, readAgain, ended
    }

    enum Event: CaseIterable {
        case channelOpened, missedRowFound, incarnationChanged, readAgain, countRead, earlierCountRead, countGivenUp
        case pageFailed, roomMade, ended
    }

    private static func snapshot(_ text: String) -> TransactionSnapshot {
        guard let snapshot = TransactionSnapshot(text) else { preconditionFailure(text) }
        return snapshot
    }

    /// A splice that asks for a count; each state follows from those before it.
    private static func splice(_ state: State, countsUnread: Bool = true) -> QueueUnderTest {
        let splice = QueueUnderTest(heldMax: 2, countsUnread: countsUnread)
        if state == .opening { return splice }
        splice.channelOpened()
        if state == .reading { return splice }
        _ = splice.nextPage()
        if state == .requested { return splice }
        _ = splice.countRead(generation: 1)
        if state == .counted { return splice }
        if state == .paused {
            splice.pageCutShort(last: nil, snapshot: snapshot("10:10:"))
            return splice
        }
        _ = splice.pageSent(last: MessageID(rawValue: 3), snapshot: snapshot("10:10:"), isLast: state != .betweenPages)
        switch state {
        case .saturated: _ = splice.liveReceived(.sample(1, xid: 30), hasRoom: false)
        case .readAgain: splice.readAgain()
        case .ended: splice.ended()
        default: break
        }
        return splice
    }

    @Test(arguments: State.allCases)
    func itIsWantedUntilItIsThere(_ state: State) {
        let splice = Self.splice(state)
        let isOwed = [.opening, .reading, .requested].contains(state)
        #expect(splice.wantsCount == isOwed)
        if let page = splice.nextPage() {
            #expect(page.wantsCount == isOwed)
            #expect(!page.wantsCount || page.snapshot == nil, "it needs the snapshot that the reading begins with")
        }
    }

    @Test(arguments: State.allCases, Event.allCases)
    func events(_ state: State, _ event: Event) {
        let splice = Self.splice(state)
        let wasWanted = splice.wantsCount
        var isTold = false
        switch event {
        case .channelOpened: splice.channelOpened()
        case .missedRowFound: splice.missedRowFound()
        case .incarnationChanged: splice.incarnationChanged()
        case .readAgain: splice.readAgain()
        case .countRead: isTold = splice.countRead(generation: 1)
        case .earlierCountRead: isTold = splice.countRead(generation: 0)
        case .countGivenUp: splice.countGivenUp()
        case .pageFailed: splice.pageFailed()
        case .roomMade: splice.roomMade()
        case .ended: splice.ended()
        }
        #expect(isTold == (state == .requested && event == .countRead), "once, and to nobody who did not ask for it")
        switch event {
        case .countRead where state == .requested: #expect(!splice.wantsCount)
        case .countGivenUp: #expect(!splice.wantsCount)
        case .incarnationChanged: #expect(splice.wantsCount, "what was counted is another database's, perhaps")
        default: #expect(splice.wantsCount == wasWanted)
        }
        if let page = splice.nextPage(), page.wantsCount { #expect(page.snapshot == nil && page.covered == nil) }
    }

    @Test(arguments: State.allCases, Event.allCases)
    func whoDidNotAskIsToldNothing(_ state: State, _ event: Event) {
        let splice = Self.splice(state, countsUnread: false)
        switch event {
        case .incarnationChanged: splice.incarnationChanged()
        case .readAgain: splice.readAgain()
        case .countRead: #expect(!splice.countRead(generation: 1))
        default: return
        }
        #expect(!splice.wantsCount)
        if let page = splice.nextPage() { #expect(!page.wantsCount) }
    }

    @Test func theAnswerToAnOvertakenRequestIsNotTold() {
        let splice = Self.splice(.requested)
        splice.incarnationChanged()
        #expect(!splice.countRead(generation: 1))
        #expect(splice.nextPage()?.wantsCount == true)
        #expect(splice.countRead(generation: 2))
    }

    @Test func aTopicHasNoCount() {
        var machine = DeliveryMachine(
            source: .topic(after: MessageID(rawValue: 0)), countsUnread: true, ackMode: .auto,
            bounds: .init(inFlightMax: 1, heldMax: 1, heldBytesMax: 1),
            history: DeliveryHistory(now: .now(), marks: nil))
        machine.channelOpened()
        let (wantsCount, page) = (machine.wantsCount, machine.nextPage())
        let isTold = machine.countRead(generation: page?.generation ?? 0)
        #expect(page != nil && page?.wantsCount == false && !wantsCount && !isTold)
    }
}
