import Testing

@testable import BelfryModel

/// Quantiles of a histogram's buckets.
@Suite struct LatencyBucketsTests {
    private static func counts(_ filled: [Int: Int64]) -> [Int64] {
        (0...LatencyBuckets.bounds.count).map { filled[$0] ?? 0 }
    }

    @Test func aQuantileLiesInItsBucket() throws {
        // A hundred between 5 and 10 ms, and one between 0.5 and 1 s.
        let counts = Self.counts([6: 99, 12: 1])
        let half = try #require(LatencyBuckets.quantile(0.5, of: counts))
        #expect(abs(half - (0.005 + 0.005 * 50 / 99)) < 1e-9)
        #expect(try #require(LatencyBuckets.quantile(0.999, of: counts)) > 0.5)
        #expect(LatencyBuckets.quantile(1, of: counts) == 1)
        #expect(LatencyBuckets.quantile(0, of: counts) == 0.005)
        // What took longer than all bounds took that at least.
        #expect(LatencyBuckets.quantile(0.5, of: Self.counts([18: 3])) == 60)
        #expect(LatencyBuckets.quantile(0.5, of: Self.counts([:])) == nil)
        #expect(LatencyBuckets.quantile(0.5, of: [1, 2]) == nil)
        #expect(LatencyBuckets.quantile(0.5, of: Self.counts([0: .max, 1: .max])) != nil)
    }

    @Test func sumsAndDifferences() {
        let (one, two) = (Self.counts([3: 1]), Self.counts([3: 3, 4: 1]))
        #expect(LatencyBuckets.sum(one, two) == Self.counts([3: 4, 4: 1]))
        #expect(LatencyBuckets.sum([], two) == two && LatencyBuckets.sum(two, []) == two)
        #expect(LatencyBuckets.sum(two, [1]) == two)
        #expect(LatencyBuckets.difference(two, since: one) == Self.counts([3: 2, 4: 1]))
        #expect(LatencyBuckets.difference(one, since: one) == [])
        #expect(LatencyBuckets.difference(one, since: []) == one)
        #expect(LatencyBuckets.difference([], since: one) == [])
        // A metric that was made anew begins at zero.
        #expect(LatencyBuckets.difference(one, since: two) == [])
    }
}
