import BelfryModel
import Testing

@testable import Delivery

@Suite struct QueueWatchTests {
    private static func rows(_ ids: Int64...) -> [MessageStamp] {
        ids.map { MessageStamp(id: MessageID(rawValue: $0), xid: 1, createdAtMicroseconds: 0) }
    }

    private func listed(
        _ watch: inout QueueWatch, _ rows: [MessageStamp], isBusAvailable: Bool = true, lacking: Set<Int64>
    ) -> [Int64] {
        watch.listed(rows, isBusAvailable: isBusAvailable) { lacking.contains($0.id.rawValue) }.map(\.id.rawValue)
    }

    @Test func aRowThatTwoLooksFindLackingWasMissed() {
        var watch = QueueWatch()
        #expect(listed(&watch, Self.rows(1, 2, 3), lacking: [1, 2]) == [], "the bus may be about to bring them")
        #expect(watch.suspects.count == 2)
        #expect(listed(&watch, Self.rows(2, 3), lacking: [2, 3]) == [2], "the first has come, the third is new")
        #expect(listed(&watch, Self.rows(3), lacking: []) == [])
        #expect(watch.suspects.isEmpty)
    }

    @Test func withoutTheBusEveryLackingRowWasMissed() {
        var watch = QueueWatch()
        #expect(listed(&watch, Self.rows(1, 2), isBusAvailable: false, lacking: [2]) == [2])
    }
}
