/// Exact order statistics of samples that fit into memory.
public enum Statistics {
    /// The middle value, or the mean of the two middle ones; nil of nothing.
    public static func median(_ samples: [Double]) -> Double? {
        guard !samples.isEmpty else { return nil }
        let sorted = samples.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    /// The value at or below which `fraction` (0…1) of the samples lie (nearest rank); 0 of nothing.
    ///
    /// - Parameter sorted: ascending.
    public static func percentile(_ fraction: Double, ofSorted sorted: [Double]) -> Double {
        guard !sorted.isEmpty else { return 0 }
        let rank = Int((fraction * Double(sorted.count)).rounded(.up)) - 1
        return sorted[min(max(rank, 0), sorted.count - 1)]
    }
}

/// The latencies of one run.
public struct LatencySummary: Sendable {
    /// In the samples' unit.
    public let p50, p90, p99, max: Double
    public let count: Int

    /// Sorts a copy of the samples.
    public init(_ samples: [Double]) {
        let sorted = samples.sorted()
        p50 = Statistics.percentile(0.50, ofSorted: sorted)
        p90 = Statistics.percentile(0.90, ofSorted: sorted)
        p99 = Statistics.percentile(0.99, ofSorted: sorted)
        max = sorted.last ?? 0
        count = sorted.count
    }
}
