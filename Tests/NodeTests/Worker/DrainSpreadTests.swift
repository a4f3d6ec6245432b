import NIOCore
import Testing

@testable import Node

@Suite struct DrainSpreadTests {
    @Test(
        arguments: [
            (0, 10, nil), (20, 10, nil), (21, 10, 210), (500, 10, 5_000), (1_000, 10, 10_000), (100_000, 10, 10_000),
            (100_000, 0, nil), (Int.max, 10, 10_000),
        ] as [(Int, Int64, Int64?)])
    func theTimeGrowsWithTheSessionsUpToItsLimit(_ sessions: Int, limit: Int64, milliseconds: Int64?) {
        let spread = DrainSpread(sessions: sessions, limit: .seconds(limit))
        #expect(spread.length == milliseconds.map { .milliseconds($0) })
        #expect((spread.delay() == nil) == (milliseconds == nil))
    }

    /// No part of the time has many more than its share.
    @Test func sessionsEndAllOverIt() {
        let spread = DrainSpread(sessions: 10_000, limit: .seconds(10))
        var tenths = [Int](repeating: 0, count: 10)
        for _ in 0..<10_000 {
            let delay = spread.delay()?.nanoseconds ?? -1
            tenths[Int(min(delay / 1_000_000_000, 9))] += 1
        }
        #expect(tenths.allSatisfy { (800...1_200).contains($0) }, "\(tenths)")
    }
}
