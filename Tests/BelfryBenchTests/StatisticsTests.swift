import Testing

@testable import BelfryBench

@Suite struct StatisticsTests {
    @Test(
        arguments: [
            ([7], 7), ([3, 1, 2], 2), ([4, 1, 3, 2], 2.5), ([5, 5, 1], 5), ([-1, 1], 0),
        ] as [([Double], Double)])
    func theMedianIsTheMiddle(samples: [Double], middle: Double) {
        #expect(Statistics.median(samples) == middle)
    }

    @Test func nothingHasNoMedian() {
        #expect(Statistics.median([]) == nil)
    }

    /// The nearest rank, as textbooks have it for five samples.
    @Test(
        arguments: [
            (0, 15), (0.05, 15), (0.30, 20), (0.40, 20), (0.41, 35), (0.50, 35), (0.99, 50), (1, 50),
        ] as [(Double, Double)])
    func aPercentileIsASample(fraction: Double, value: Double) {
        #expect(Statistics.percentile(fraction, ofSorted: [15, 20, 35, 40, 50]) == value)
    }

    @Test func aPercentileOfOneSampleIsIt() {
        for fraction in [0, 0.5, 0.99, 1] { #expect(Statistics.percentile(fraction, ofSorted: [3]) == 3) }
        #expect(Statistics.percentile(0.5, ofSorted: []) == 0)
    }

    @Test func aSummarySortsByItself() {
        let summary = LatencySummary((1...1_000).map(Double.init).reversed())
        #expect(summary.p50 == 500)
        #expect(summary.p90 == 900)
        #expect(summary.p99 == 990)
        #expect(summary.max == 1_000)
        #expect(summary.count == 1_000)
        #expect(LatencySummary([]).max == 0)
    }
}
