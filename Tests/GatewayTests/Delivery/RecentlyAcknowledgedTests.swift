import BelfryModel
import NIOCore
import Testing

@testable import Gateway

@Suite("RecentlyAcknowledged")
struct RecentlyAcknowledgedTests {
    private static let start = NIODeadline.uptimeNanoseconds(1_000_000_000)
    private static func id(_ value: Int64) -> MessageID { MessageID(rawValue: value) }

    @Test("A repeat is told by id and xid together")
    func key() {
        var recent = RecentlyAcknowledged(entriesMax: 10, now: Self.start)
        recent.insert(Self.id(1), xid: 100)
        #expect(recent.contains(Self.id(1), xid: 100))
        #expect(!recent.contains(Self.id(1), xid: 101), "stamped anew, it is to be delivered anew")
        #expect(!recent.contains(Self.id(2), xid: 100))
    }

    @Test("Remembered for its lifetime at least, and for twice that at most")
    func lifetime() {
        var recent = RecentlyAcknowledged(entriesMax: 10, lifetime: .seconds(60), now: Self.start)
        recent.tick(at: Self.start + .seconds(59))
        recent.insert(Self.id(1), xid: 100)
        for second in stride(from: 60, through: 119, by: 1) {
            recent.tick(at: Self.start + .seconds(Int64(second)))
            #expect(recent.contains(Self.id(1), xid: 100))
        }
        recent.tick(at: Self.start + .seconds(180))
        #expect(!recent.contains(Self.id(1), xid: 100))
    }

    @Test("Too many entries push the oldest out, never the newest")
    func bound() {
        var recent = RecentlyAcknowledged(entriesMax: 10, now: Self.start)
        for value in 1...25 { recent.insert(Self.id(Int64(value)), xid: 1) }
        for value in 16...25 { #expect(recent.contains(Self.id(Int64(value)), xid: 1)) }
        #expect(!recent.contains(Self.id(1), xid: 1))
    }

    @Test("An entry written again is as young as the second time")
    func rewritten() {
        var recent = RecentlyAcknowledged(entriesMax: 10, lifetime: .seconds(60), now: Self.start)
        recent.insert(Self.id(1), xid: 100)
        recent.tick(at: Self.start + .seconds(60))
        recent.insert(Self.id(1), xid: 200)
        #expect(recent.contains(Self.id(1), xid: 200))
        recent.tick(at: Self.start + .seconds(120))
        #expect(recent.contains(Self.id(1), xid: 200))
    }
}
