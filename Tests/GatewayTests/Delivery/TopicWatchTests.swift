import BelfryModel
import NIOCore
import Testing

@testable import Gateway

@Suite struct TopicWatchTests {
    private static func id(_ value: Int64) -> MessageID { MessageID(rawValue: value) }

    private static func snapshot(_ text: String) throws -> TransactionSnapshot {
        try #require(TransactionSnapshot(text))
    }

    private func rows(_ rows: (Int64, UInt64)...) -> [(id: MessageID, xid: UInt64)] {
        rows.map { (Self.id($0.0), $0.1) }
    }

    @Test func aBroadcastIsTakenOnce() {
        var watch = TopicWatch(now: .now())
        var taken: [Bool] = []
        for xid: UInt64 in [100, 100, 101, 101] { taken.append(watch.take(Self.id(1), xid: xid)) }
        #expect(taken == [true, false, true, false], "stamped anew, it is news again")
    }

    @Test func theFirstLookMakesNothingMissed() throws {
        var watch = TopicWatch(now: .now())
        #expect(!watch.hasLooked)
        let missed = watch.listed(rows((1, 50)), snapshot: try Self.snapshot("100:100:"), isBusAvailable: false)
        #expect(missed.isEmpty && watch.hasLooked)
        // Not published yet when we looked: it may still come live, and if it does not it was missed.
        do {
            let outcome =
                watch.listed([], snapshot: try Self.snapshot("110:110:"), isBusAvailable: true) == [Self.id(1)]
            #expect(outcome)
        }
        // What was published before anybody listened is old, however late its copy.
        do {
            let outcome = !watch.take(Self.id(2), xid: 60)
            #expect(outcome)
        }
        do {
            let outcome = watch.take(Self.id(1), xid: 50)
            #expect(outcome)
        }
    }

    @Test func aRowIsMissedWhenASecondLookStillLacksIt() throws {
        var watch = TopicWatch(now: .now())
        _ = watch.listed([], snapshot: try Self.snapshot("100:100:"), isBusAvailable: true)
        do {
            let outcome = watch.listed(rows((5, 105)), snapshot: try Self.snapshot("110:110:"), isBusAvailable: true)
                .isEmpty
            #expect(outcome)
        }
        do {
            let outcome =
                watch.listed([], snapshot: try Self.snapshot("120:120:"), isBusAvailable: true) == [Self.id(5)]
            #expect(outcome)
        }
        do {
            let outcome = watch.take(Self.id(5), xid: 105)
            #expect(outcome)
        }
        do {
            let outcome = !watch.take(Self.id(5), xid: 105)
            #expect(outcome, "its live copy comes late")
        }
        do {
            let outcome = watch.listed([], snapshot: try Self.snapshot("130:130:"), isBusAvailable: true).isEmpty
            #expect(outcome)
        }
    }

    @Test func aRowThatComesLiveBetweenTwoLooksIsNotMissed() throws {
        var watch = TopicWatch(now: .now())
        _ = watch.listed([], snapshot: try Self.snapshot("100:100:"), isBusAvailable: true)
        _ = watch.listed(rows((5, 105)), snapshot: try Self.snapshot("110:110:"), isBusAvailable: true)
        do {
            let outcome = watch.take(Self.id(5), xid: 105)
            #expect(outcome)
        }
        do {
            let outcome = watch.listed([], snapshot: try Self.snapshot("120:120:"), isBusAvailable: true).isEmpty
            #expect(outcome)
        }
    }

    @Test func withoutTheBusOneLookIsEnough() throws {
        var watch = TopicWatch(now: .now())
        _ = watch.listed([], snapshot: try Self.snapshot("100:100:"), isBusAvailable: false)
        let missed = watch.listed(
            rows((7, 107), (6, 106)), snapshot: try Self.snapshot("110:110:"), isBusAvailable: false)
        #expect(missed == [Self.id(6), Self.id(7)])
    }

    /// Redis may be away for hours: the copy that comes then was handed out long ago.
    @Test func aCopyIsKnownHoweverLateItComes() throws {
        let start = NIODeadline.now()
        var watch = TopicWatch(now: start)
        _ = watch.listed([], snapshot: try Self.snapshot("100:100:"), isBusAvailable: false)
        _ = watch.listed(rows((6, 106)), snapshot: try Self.snapshot("110:110:"), isBusAvailable: false)
        do {
            let outcome = watch.take(Self.id(6), xid: 106)
            #expect(outcome)
        }
        for minute in 1...60 { watch.tick(at: start + .minutes(Int64(minute * 2))) }
        do {
            let outcome = !watch.take(Self.id(6), xid: 106)
            #expect(outcome)
        }
    }

    @Test func whatIsGoneIsAskedForOnce() throws {
        var watch = TopicWatch(now: .now())
        _ = watch.listed([], snapshot: try Self.snapshot("100:100:"), isBusAvailable: false)
        let missed = watch.listed(rows((6, 106)), snapshot: try Self.snapshot("110:110:"), isBusAvailable: false)
        watch.readMissed(missed)
        do {
            let outcome = watch.listed([], snapshot: try Self.snapshot("120:120:"), isBusAvailable: false).isEmpty
            #expect(outcome)
        }
    }
}
