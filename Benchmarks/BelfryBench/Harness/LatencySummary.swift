/// The latencies of one run.
struct LatencySummary: Sendable {
    /// In the samples' unit.
    let p50, p90, p99, max: Double
    let count: Int

    /// Sorts a copy of the samples.
    init(_ samples: [Double]) {
        let sorted = samples.sorted()
        p50 = Statistics.percentile(0.50, ofSorted: sorted)
        p90 = Statistics.percentile(0.90, ofSorted: sorted)
        p99 = Statistics.percentile(0.99, ofSorted: sorted)
        max = sorted.last ?? 0
        count = sorted.count
    }
}
