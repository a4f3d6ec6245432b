import BelfryModel
import NIOCore
import Testing

@testable import Delivery

@Suite struct TopicWatchTests {
    private static func id(_ value: Int64) -> MessageID { MessageID(rawValue: value) }

    private static func stamp(_ id: Int64, _ xid: UInt64, _ createdAt: Int64) -> MessageStamp {
        MessageStamp(id: MessageID(rawValue: id), xid: xid, createdAtMicroseconds: createdAt)
    }

    private static func snapshot(_ text: String) throws -> TransactionSnapshot {
        try #require(TransactionSnapshot(text))
    }

    private func rows(_ rows: (Int64, UInt64)...) -> [MessageStamp] {
        rows.map { MessageStamp(id: Self.id($0.0), xid: $0.1, createdAtMicroseconds: $0.0) }
    }

    @Test func aBroadcastIsTakenOnce() {
        var watch = TopicWatch(now: .now())
        var taken: [Bool] = []
        for xid: UInt64 in [100, 100, 101, 101] {
            taken.append(watch.take(Self.stamp(1, xid, 1)))
        }
        #expect(taken == [true, false, true, false], "stamped anew, it is news again")
    }

    @Test func theFirstLookMakesNothingMissed() throws {
        var watch = TopicWatch(now: .now())
        #expect(!watch.hasLooked)
        let missed = watch.listed(rows((1, 50)), snapshot: try Self.snapshot("100:100:"), at: 1, isBusAvailable: false)
        #expect(missed.isEmpty && watch.hasLooked)
        // Not published yet when we looked: it may still come live, and if it does not it was missed.
        do {
            let outcome =
                watch.listed([], snapshot: try Self.snapshot("110:110:"), at: 1, isBusAvailable: true) == [Self.id(1)]
            #expect(outcome)
        }
        // What was published before anybody listened is old, however late its copy.
        do {
            let outcome = !watch.take(Self.stamp(2, 60, 2))
            #expect(outcome)
        }
        do {
            let outcome = watch.take(Self.stamp(1, 50, 1))
            #expect(outcome)
        }
    }

    @Test func aRowIsMissedWhenASecondLookStillLacksIt() throws {
        var watch = TopicWatch(now: .now())
        _ = watch.listed([], snapshot: try Self.snapshot("100:100:"), at: 1, isBusAvailable: true)
        do {
            let outcome = watch.listed(
                rows((5, 105)), snapshot: try Self.snapshot("110:110:"), at: 1, isBusAvailable: true
            )
            .isEmpty
            #expect(outcome)
        }
        do {
            let outcome =
                watch.listed([], snapshot: try Self.snapshot("120:120:"), at: 1, isBusAvailable: true) == [Self.id(5)]
            #expect(outcome)
        }
        do {
            let outcome = watch.take(Self.stamp(5, 105, 5))
            #expect(outcome)
        }
        do {
            let outcome = !watch.take(Self.stamp(5, 105, 5))
            #expect(outcome, "its live copy comes late")
        }
        do {
            let outcome = watch.listed([], snapshot: try Self.snapshot("130:130:"), at: 1, isBusAvailable: true).isEmpty
            #expect(outcome)
        }
    }

    @Test func aRowThatComesLiveBetweenTwoLooksIsNotMissed() throws {
        var watch = TopicWatch(now: .now())
        _ = watch.listed([], snapshot: try Self.snapshot("100:100:"), at: 1, isBusAvailable: true)
        _ = watch.listed(rows((5, 105)), snapshot: try Self.snapshot("110:110:"), at: 1, isBusAvailable: true)
        do {
            let outcome = watch.take(Self.stamp(5, 105, 5))
            #expect(outcome)
        }
        do {
            let outcome = watch.listed([], snapshot: try Self.snapshot("120:120:"), at: 1, isBusAvailable: true).isEmpty
            #expect(outcome)
        }
    }

    @Test func withoutTheBusOneLookIsEnough() throws {
        var watch = TopicWatch(now: .now())
        _ = watch.listed([], snapshot: try Self.snapshot("100:100:"), at: 1, isBusAvailable: false)
        let missed = watch.listed(
            rows((7, 107), (6, 106)), snapshot: try Self.snapshot("110:110:"), at: 1, isBusAvailable: false)
        #expect(missed == [Self.id(6), Self.id(7)])
    }

    /// Redis may be away for hours: the copy that comes then was handed out long ago.
    @Test func aCopyIsKnownHoweverLateItComes() throws {
        let start = NIODeadline.now()
        var watch = TopicWatch(now: start)
        _ = watch.listed([], snapshot: try Self.snapshot("100:100:"), at: 1, isBusAvailable: false)
        _ = watch.listed(rows((6, 106)), snapshot: try Self.snapshot("110:110:"), at: 1, isBusAvailable: false)
        do {
            let outcome = watch.take(Self.stamp(6, 106, 6))
            #expect(outcome)
        }
        for minute in 1...60 { watch.tick(at: start + .minutes(Int64(minute * 2))) }
        do {
            let outcome = !watch.take(Self.stamp(6, 106, 6))
            #expect(outcome)
        }
    }

    @Test func whatIsGoneIsAskedForOnce() throws {
        var watch = TopicWatch(now: .now())
        _ = watch.listed([], snapshot: try Self.snapshot("100:100:"), at: 1, isBusAvailable: false)
        let missed = watch.listed(rows((6, 106)), snapshot: try Self.snapshot("110:110:"), at: 1, isBusAvailable: false)
        watch.readMissed(missed)
        do {
            let outcome = watch.listed([], snapshot: try Self.snapshot("120:120:"), at: 1, isBusAvailable: false)
                .isEmpty
            #expect(outcome)
        }
    }

    // MARK: Another incarnation

    /// Transaction ids that a crash has undone are given out again: what the old covered sees may be news.
    @Test func afterACrashALiveCopyThatTheOldSnapshotSawIsTaken() throws {
        var watch = TopicWatch(now: .now())
        _ = watch.listed([], snapshot: try Self.snapshot("200:200:"), at: 1, isBusAvailable: true)
        watch.incarnationChanged()
        #expect(!watch.hasLooked)
        let isTaken = watch.take(Self.stamp(9, 150, 9))
        #expect(isTaken)
    }

    @Test func afterACrashWhatWasPublishedAndNeverCameIsMissed() throws {
        var watch = TopicWatch(now: .now())
        _ = watch.listed([], snapshot: try Self.snapshot("100:100:"), at: 77, isBusAvailable: true)
        let wasTaken = watch.take(Self.stamp(1, 105, 1))
        #expect(wasTaken)
        watch.incarnationChanged()
        #expect(watch.sinceMicroseconds == 77, "what was published before the first look stays old")
        // 1 was handed out before the crash, 2 was published by the relay while this node was frozen.
        let now = try Self.snapshot("110:110:")
        let first = watch.listed(rows((1, 105), (2, 106)), snapshot: now, at: 99, isBusAvailable: true)
        #expect(first.isEmpty, "the bus may be about to bring it")
        let second = watch.listed([], snapshot: now, at: 100, isBusAvailable: true)
        #expect(second == [Self.id(2)])
        let isRepeat = !watch.take(Self.stamp(1, 105, 1))
        #expect(isRepeat)
        let isReplayTaken = watch.take(Self.stamp(1, 120, 1))
        #expect(isReplayTaken, "replayed by an operator, it is news again")
    }

    /// A message that the crash has undone, and another one under its id.
    @Test func afterACrashAnIDGivenOutAgainIsNews() throws {
        var watch = TopicWatch(now: .now())
        _ = watch.listed([], snapshot: try Self.snapshot("100:100:"), at: 1, isBusAvailable: true)
        _ = watch.take(Self.stamp(5, 101, 1_000))
        watch.incarnationChanged()
        let row = MessageStamp(id: Self.id(5), xid: 101, createdAtMicroseconds: 2_000)
        let missed = watch.listed([row], snapshot: try Self.snapshot("110:110:"), at: 2, isBusAvailable: false)
        #expect(missed == [Self.id(5)])
    }
}
