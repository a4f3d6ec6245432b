import BelfryModel
import NIOCore

@testable import Delivery

/// A `QueueSplice` that `#expect` can change.
final class QueueUnderTest {
    private var splice: QueueSplice

    init(heldMax: Int, countsUnread: Bool = false) {
        splice = QueueSplice(
            bounds: Reading.Bounds(heldMax: heldMax, heldBytesMax: .max), countsUnread: countsUnread)
    }

    var isOpening: Bool { splice.isOpening }
    var isLive: Bool { splice.isLive }
    var wantsPage: Bool { splice.wantsPage }
    var covered: TransactionSnapshot? { splice.covered }
    var wantsCount: Bool { splice.wantsCount }

    func isCurrent(generation: Int) -> Bool { splice.isCurrent(generation: generation) }
    func nextPage() -> PageRequest? { splice.nextPage() }
    func channelOpened() { splice.channelOpened() }
    func missedRowFound() { splice.missedRowFound() }
    func incarnationChanged() { splice.incarnationChanged() }
    func readAgain() { splice.readAgain() }
    func countRead(generation: Int) -> Bool { splice.countRead(generation: generation) }
    func countGivenUp() { splice.countGivenUp() }
    func liveReceived(_ message: Message, hasRoom: Bool) -> LiveVerdict {
        var message = message
        return splice.liveReceived(&message, hasRoom: hasRoom)
    }
    func liveReceived(_ message: inout Message, hasRoom: Bool) -> LiveVerdict {
        splice.liveReceived(&message, hasRoom: hasRoom)
    }
    func pageSent(last: MessageID?, snapshot: TransactionSnapshot, isLast: Bool) -> [Message] {
        splice.pageSent(last: last, snapshot: snapshot, isLast: isLast)
    }
    func pageCutShort(last: MessageID?, snapshot: TransactionSnapshot) {
        splice.pageCutShort(last: last, snapshot: snapshot)
    }
    func heldCutShort() { splice.heldCutShort() }
    func pageFailed() { splice.pageFailed() }
    func roomMade() { splice.roomMade() }
    func ended() { splice.ended() }
}

/// A `TopicSplice` that `#expect` can change.
final class TopicUnderTest {
    private var splice: TopicSplice

    init(after: MessageID?, heldMax: Int) {
        splice = TopicSplice(after: after, bounds: Reading.Bounds(heldMax: heldMax, heldBytesMax: .max))
    }

    var isOpening: Bool { splice.isOpening }
    var isLive: Bool { splice.isLive }
    var wantsPage: Bool { splice.wantsPage }

    func isCurrent(generation: Int) -> Bool { splice.isCurrent(generation: generation) }
    func brings(_ id: MessageID) -> Bool { splice.brings(id) }
    func nextPage() -> PageRequest? { splice.nextPage() }
    func channelOpened() { splice.channelOpened() }
    func incarnationChanged() { splice.incarnationChanged() }
    func liveReceived(_ message: Message, hasRoom: Bool) -> LiveVerdict {
        var message = message
        return splice.liveReceived(&message, hasRoom: hasRoom)
    }
    func pageSent(last: MessageID?, snapshot: TransactionSnapshot, isLast: Bool) -> [Message] {
        splice.pageSent(last: last, snapshot: snapshot, isLast: isLast)
    }
    func pageCutShort(last: MessageID?, snapshot: TransactionSnapshot) {
        splice.pageCutShort(last: last, snapshot: snapshot)
    }
    func heldCutShort(_ messages: [Message]) { splice.heldCutShort(messages) }
    func delivered(_ id: MessageID) { splice.delivered(id) }
    func pageFailed() { splice.pageFailed() }
    func roomMade() { splice.roomMade() }
    func ended() { splice.ended() }
}

extension Message {
    /// A message whose id stands for the time of writing too.
    static func sample(_ id: Int64, xid: UInt64, expiresAt: Int64? = nil, isRedelivered: Bool = false) -> Message {
        Message(
            stamp: MessageStamp(id: MessageID(rawValue: id), xid: xid, createdAtMicroseconds: id),
            expiresAtMilliseconds: expiresAt, isRedelivered: isRedelivered, headerLines: ByteBuffer(),
            body: ByteBuffer())
    }
}
