import BelfryModel
import NIOCore
import Testing

@testable import Delivery

@Suite struct RecentMessagesTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private static func id(_ value: Int64) -> MessageID { MessageID(rawValue: value) }

    private static func stamp(_ id: Int64, xid: UInt64, createdAt: Int64? = nil) -> MessageStamp {
        MessageStamp(id: MessageID(rawValue: id), xid: xid, createdAtMicroseconds: createdAt ?? id)
    }

    private func recent(_ entries: (id: Int64, xid: UInt64)...) -> RecentMessages {
        var recent = RecentMessages(entriesMax: 10, now: Self.start)
        for entry in entries { recent.insert(Self.stamp(entry.id, xid: entry.xid)) }
        return recent
    }

    private func contains(_ recent: RecentMessages, _ id: Int64, xid: UInt64) -> Bool {
        recent.contains(Self.stamp(id, xid: xid))
    }

    @Test func aHigherTransactionIDMakesItNews() {
        let recent = recent((1, 100))
        #expect(contains(recent, 1, xid: 100))
        #expect(!contains(recent, 1, xid: 101), "stamped anew, it is to be delivered anew")
        #expect(!contains(recent, 2, xid: 100))
    }

    /// Refused and acknowledged later, a copy of the first stamp may still come, published late by a leader that hung.
    @Test func anEarlierStampIsARepeatToo() {
        let recent = recent((1, 100), (1, 200))
        #expect(contains(recent, 1, xid: 100))
        #expect(contains(recent, 1, xid: 200))
        #expect(!contains(recent, 1, xid: 201))
        #expect(contains(self.recent((1, 200), (1, 100)), 1, xid: 200), "in whatever order they were noted")
    }

    @Test func anotherMessageUnderTheSameIDIsNews() {
        let recent = recent((1, 100))
        #expect(!recent.contains(Self.stamp(1, xid: 100, createdAt: 2)))
    }

    @Test func remembersForItsLifetimeAtLeastAndTwiceThatAtMost() {
        var recent = RecentMessages(entriesMax: 10, lifetime: .seconds(60), now: Self.start)
        recent.tick(at: Self.start + .seconds(59))
        recent.insert(Self.stamp(1, xid: 100))
        for second in stride(from: 60, through: 119, by: 1) {
            recent.tick(at: Self.start + .seconds(Int64(second)))
            #expect(contains(recent, 1, xid: 100))
        }
        recent.tick(at: Self.start + .seconds(180))
        #expect(!contains(recent, 1, xid: 100))
    }

    @Test func tooManyEntriesPushTheOldestOutNeverTheNewest() {
        var recent = RecentMessages(entriesMax: 10, now: Self.start)
        for value in 1...25 { recent.insert(Self.stamp(Int64(value), xid: 1)) }
        for value in 16...25 { #expect(contains(recent, Int64(value), xid: 1)) }
        #expect(!contains(recent, 1, xid: 1))
    }

    @Test func anEntryWrittenAgainIsAsYoungAsTheSecondTime() {
        var recent = RecentMessages(entriesMax: 10, lifetime: .seconds(60), now: Self.start)
        recent.insert(Self.stamp(1, xid: 100))
        recent.tick(at: Self.start + .seconds(60))
        recent.insert(Self.stamp(1, xid: 200))
        #expect(contains(recent, 1, xid: 200))
        recent.tick(at: Self.start + .seconds(120))
        #expect(contains(recent, 1, xid: 200))
    }

    @Test func inAnotherIncarnationStampsMeanNothing() {
        var recent = recent((1, 100), (2, 100))
        recent.incarnationChanged()
        #expect(contains(recent, 1, xid: 5_000), "whatever its stamp is now, it was dealt with")
        #expect(!recent.contains(Self.stamp(1, xid: 100, createdAt: 7)), "another message under its id")
        recent.forgetEarlierIncarnations(keeping: [Self.id(2)])
        #expect(!contains(recent, 1, xid: 100))
        #expect(contains(recent, 2, xid: 100))
        recent.insert(Self.stamp(2, xid: 3))
        #expect(contains(recent, 2, xid: 3) && !contains(recent, 2, xid: 4))
    }

    @Test func whatIsToBeKeptOutlivesItsLifetime() {
        var recent = recent((1, 100), (2, 100))
        for minute: Int64 in 1...5 {
            recent.tick(at: Self.start + .seconds(60 * minute), keeping: { [Self.id(2)] })
        }
        #expect(!contains(recent, 1, xid: 100))
        #expect(contains(recent, 2, xid: 100))
        for minute: Int64 in 6...7 { recent.tick(at: Self.start + .seconds(60 * minute)) }
        #expect(!contains(recent, 2, xid: 100), "and is forgotten in its turn")
    }

    @Test func whatIsToBeKeptIsNotPushedOutByOthers() {
        var recent = RecentMessages(entriesMax: 10, now: Self.start)
        var asked = 0
        let kept = Set((1...30).map { Self.id($0) })
        for value: Int64 in 1...200 {
            recent.insert(Self.stamp(value, xid: 1)) {
                asked += 1
                return kept
            }
        }
        for value: Int64 in 1...30 { #expect(contains(recent, value, xid: 1)) }
        #expect(asked <= 20, "not with every entry")
    }
}
