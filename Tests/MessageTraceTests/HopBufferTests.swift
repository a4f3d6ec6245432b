import BelfryModel
import Testing

@testable import MessageTrace

/// Hops that wait: bounded, and those that were asked for before the others.
@Suite struct HopBufferTests {
    private func hop(_ id: Int64, _ reason: TraceReason = .sample) -> Hop {
        Hop(MessageID(rawValue: id), .published, reason)
    }

    @Test func samplesLeaveHalfToWhatWasAskedFor() {
        var buffer = HopBuffer(now: .now)
        for id in 1...Int64(HopBuffer.hopsMax) { buffer.add(hop(id)) }
        let half = HopBuffer.hopsMax / 2
        for id in 1...Int64(HopBuffer.hopsMax) { buffer.add(hop(id, .watch)) }
        let taken = buffer.take(.max)
        #expect(taken.hops.count(where: { $0.reason == .sample }) == half)
        #expect(taken.hops.count(where: { $0.reason == .watch }) == half)
        #expect(taken.dropped == HopBuffer.hopsMax && buffer.take(1).dropped == 0)
    }

    @Test func hopsComeInTheirOrderAndWhatFailedComesFirst() {
        var buffer = HopBuffer(now: .now)
        for id in 1...5 { buffer.add(hop(Int64(id))) }
        let first = buffer.take(2).hops
        #expect(first.map(\.message.rawValue) == [1, 2])
        buffer.putBack(first)
        #expect(buffer.take(10).hops.map(\.message.rawValue) == [1, 2, 3, 4, 5])
        #expect(buffer.isEmpty)
    }

    @Test func whatIsPutBackFindsNoMoreRoomThanThereIs() {
        var buffer = HopBuffer(now: .now)
        let batch = (1...Int64(1_000)).map { hop($0, .asked) }
        for id in 1...Int64(HopBuffer.hopsMax - 10) { buffer.add(hop(id, .asked)) }
        buffer.putBack(batch)
        let taken = buffer.take(.max)
        #expect(taken.hops.count == HopBuffer.hopsMax && taken.dropped == 990)
    }

    @Test func slowMessagesAreExamples() {
        let start = ContinuousClock.now
        var buffer = HopBuffer(now: start)
        func taken(_ now: ContinuousClock.Instant) -> Int { (0..<200).count { _ in buffer.takesSlow(now: now) } }
        #expect(taken(start) == HopBuffer.slowPerSecondMax)
        #expect(taken(start + .milliseconds(999)) == 0)
        #expect(taken(start + .seconds(1)) == HopBuffer.slowPerSecondMax)
    }
}
