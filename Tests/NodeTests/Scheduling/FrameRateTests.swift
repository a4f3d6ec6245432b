import NIOCore
import Testing

@testable import Node

@Suite struct FrameRateTests {
    private static let start = NIODeadline.uptimeNanoseconds(5_000_000_000)

    /// Spends until the peer has to wait. Returns how many frames went.
    private static func spendAll(_ rate: inout FrameRate, at now: NIODeadline) -> Int {
        var frames = 1
        while frames < 1_000, rate.spend(now: now) { frames += 1 }
        return frames
    }

    @Test func asManyAsOfASecondAtOnceThenAsTheyComeBack() {
        var rate = FrameRate(perSecond: 100, now: Self.start)
        var frames = [Self.spendAll(&rate, at: Self.start)]
        let renewed = [9, 10].map { rate.renew(at: Self.start + .milliseconds($0)) }
        #expect(renewed == [false, true])
        frames.append(Self.spendAll(&rate, at: Self.start + .milliseconds(10)))
        frames.append(Self.spendAll(&rate, at: Self.start + .milliseconds(510)))
        #expect(frames == [100, 1, 50])
    }

    @Test func restsDoNotAddUp() {
        var rate = FrameRate(perSecond: 100, now: Self.start)
        _ = rate.renew(at: Self.start + .hours(1))
        let frames = Self.spendAll(&rate, at: Self.start + .hours(1))
        #expect(frames == 100)
    }

    @Test func timeThatGoesBackIsNoTime() {
        var rate = FrameRate(perSecond: 1, now: Self.start)
        let spent = rate.spend(now: Self.start - .seconds(1))
        let renewed = rate.renew(at: Self.start - .seconds(1))
        #expect(!spent && !renewed)
    }
}
