import BelfryModel
import TestBasics
import Testing

@Suite("TransactionSnapshot")
struct TransactionSnapshotTests {
    @Test(
        "The text form comes back as PostgreSQL writes it",
        arguments: [
            "1:1:", "10:20:", "10:20:10", "10:20:10,14,19", "731:731:", "4294967296:9223372036854775807:4294967296",
        ])
    func roundTrip(_ text: String) throws {
        let snapshot = try #require(TransactionSnapshot(text))
        #expect(snapshot.description == text)
    }

    @Test(
        "Anything else is refused",
        arguments: [
            "", ":", "::", "1", "1:2", "1:2:3:4", "a:2:", "1:b:", "1:2:c", "1:2:1,", "1:2:,1", "1:9:1,,2", "2:1:",
            "-1:2:",
            "+1:+2:", "1:9:+3", "1 :2:", "1:2: 1", "0:1:", "1:18446744073709551616:", "1:9:2;3", "5:9:4", "5:9:9",
            "5:9:7,6", "5:9:10", "{1:2:}",
        ])
    func garbage(_ text: String) {
        #expect(TransactionSnapshot(text) == nil)
    }

    @Test("What is seen, region by region")
    func regions() throws {
        let snapshot = try #require(TransactionSnapshot("10:20:10,13,19"))
        // Below xmin everything is over.
        for xid: UInt64 in [0, 1, 9] { #expect(snapshot.sees(xid)) }
        // At or above xmax nothing was.
        for xid: UInt64 in [20, 21, .max] { #expect(!snapshot.sees(xid)) }
        // In between, what was not running.
        for xid: UInt64 in [10, 13, 19] { #expect(!snapshot.sees(xid)) }
        for xid: UInt64 in [11, 12, 14, 15, 16, 17, 18] { #expect(snapshot.sees(xid)) }
    }

    @Test("With nothing running, xmin and xmax alone decide")
    func nothingRunning() throws {
        let snapshot = try #require(TransactionSnapshot("10:10:"))
        #expect(snapshot.sees(9))
        #expect(!snapshot.sees(10))
    }

    /// `pg_visible_in_snapshot` of PostgreSQL 15, `is_visible_fxid`, without its binary search.
    private func isVisible(_ xid: UInt64, xmin: UInt64, xmax: UInt64, running: [UInt64]) -> Bool {
        if xid < xmin { return true }
        if xid >= xmax { return false }
        return !running.contains(xid)
    }

    @Test("The rule of pg_visible_in_snapshot holds for random snapshots", arguments: UInt64(1)...20)
    func random(seed: UInt64) throws {
        var generator = SeededGenerator(seed: seed)
        for _ in 0..<100 {
            let xmin = UInt64.random(in: 1...1_000, using: &generator)
            let width = UInt64.random(in: 0...60, using: &generator)
            let xmax = xmin + width
            let running = (xmin..<xmax).filter { _ in UInt8.random(in: 0..<3, using: &generator) == 0 }
            let text = "\(xmin):\(xmax):\(running.map(String.init).joined(separator: ","))"
            let snapshot = try #require(TransactionSnapshot(text))
            #expect(snapshot.description == text)
            for xid in (xmin > 3 ? xmin - 3 : 0)...(xmax + 3) {
                #expect(
                    snapshot.sees(xid) == isVisible(xid, xmin: xmin, xmax: xmax, running: running), "\(xid) in \(text)")
            }
        }
    }
}
