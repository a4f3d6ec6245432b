import BelfryModel
import NIOCore
import Testing

@testable import Delivery

@Suite struct DeliveryHistoryTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)

    private static func stamp(_ id: Int64, xid: UInt64 = 20) -> MessageStamp {
        MessageStamp(id: MessageID(rawValue: id), xid: xid, createdAtMicroseconds: id)
    }

    private final class Marks: UncommittedMarks {
        var pending = PendingMarks()
        var held: Set<MessageID> = []

        func holdsAnswer(_ id: MessageID, createdAtMicroseconds: Int64?) -> Bool { held.contains(id) }
        func holdsGivenBack(_ id: MessageID) -> Bool { held.contains(id) }
    }

    /// Lets time pass, a second at a time as a node does.
    private static func pass(_ history: DeliveryHistory, seconds: ClosedRange<Int64>, readingSince: NIODeadline? = nil)
    {
        for second in seconds { history.tick(at: start + .seconds(second), readingSince: readingSince) }
    }

    @Test func answersAreRememberedForAMinuteAtLeastAndTwoAtMost() {
        let history = DeliveryHistory(now: Self.start, marks: nil)
        history.acknowledged(Self.stamp(1))
        Self.pass(history, seconds: 1...60)
        #expect(history.isAnswered(Self.stamp(1)))
        #expect(history.isAnswered(MessageID(rawValue: 1), xid: 20))
        Self.pass(history, seconds: 61...121)
        #expect(!history.isAnswered(Self.stamp(1)))
    }

    /// While PostgreSQL does not take the marks its rows are still there.
    @Test func whatIsNotMarkedYetIsNotForgotten() {
        let marks = Marks()
        let history = DeliveryHistory(now: Self.start, marks: marks)
        history.acknowledged(Self.stamp(1))
        history.gaveBack(Self.stamp(2))
        marks.pending = .init(answered: [MessageID(rawValue: 1)], handedBack: [MessageID(rawValue: 2)])
        Self.pass(history, seconds: 1...600)
        #expect(history.isAnswered(Self.stamp(1)))
        #expect(history.wasHandedBack(Self.stamp(2)))
        marks.pending = .init()
        Self.pass(history, seconds: 601...800)
        #expect(!history.isAnswered(Self.stamp(1)))
        #expect(!history.wasHandedBack(Self.stamp(2)))
    }

    @Test func nothingIsForgottenWhileALongReadingMayBringIt() {
        let history = DeliveryHistory(now: Self.start, marks: nil)
        history.acknowledged(Self.stamp(1))
        history.gaveBack(Self.stamp(2))
        Self.pass(history, seconds: 6...600, readingSince: Self.start)
        #expect(history.isAnswered(Self.stamp(1)) && history.wasHandedBack(Self.stamp(2)))
    }

    @Test func aRefusedMessageIsAnsweredAndComesMarked() {
        let history = DeliveryHistory(now: Self.start, marks: nil)
        history.refused(Self.stamp(1))
        #expect(history.isAnswered(Self.stamp(1)))
        #expect(!history.isAnswered(Self.stamp(1, xid: 21)), "put off, it is stamped anew")
        #expect(history.wasHandedBack(Self.stamp(1, xid: 21)))
    }

    @Test func anotherIncarnationMakesWhatIsMarkedComeAgain() {
        let marks = Marks()
        marks.pending = .init(answered: [MessageID(rawValue: 2)])
        let history = DeliveryHistory(now: Self.start, marks: marks)
        history.acknowledged(Self.stamp(1))
        history.acknowledged(Self.stamp(2))
        history.refused(Self.stamp(3))
        history.incarnationChanged()
        #expect(!history.isAnswered(Self.stamp(1)), "its mark may be lost")
        #expect(history.wasHandedBack(Self.stamp(1)), "and then it says that it was shown")
        #expect(history.isAnswered(Self.stamp(2, xid: 9_000)), "its mark is on its way, whatever its stamp is now")
        history.refusalCommitted(MessageID(rawValue: 2))
        #expect(!history.isAnswered(Self.stamp(2, xid: 9_000)))
    }

    /// Another session may have refused it meanwhile, which stamps it anew.
    @Test func whatAnApplicationHoldsIsKnownUnderEveryStamp() {
        let marks = Marks()
        let history = DeliveryHistory(now: Self.start, marks: marks)
        history.acknowledged(Self.stamp(1))
        #expect(!history.isAnswered(Self.stamp(1, xid: 21)))
        marks.held = [MessageID(rawValue: 1)]
        #expect(history.isAnswered(Self.stamp(1, xid: 21)))
        #expect(history.isAnswered(MessageID(rawValue: 1), xid: 21))
        #expect(history.wasHandedBack(Self.stamp(1, xid: 21)))
    }
}
