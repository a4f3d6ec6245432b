/// Exact order statistics of samples that fit into memory.
enum Statistics {
    /// The middle value, or the mean of the two middle ones; nil of nothing.
    static func median(_ samples: [Double]) -> Double? {
        guard !samples.isEmpty else { return nil }
        let sorted = samples.sorted()
        let middle = sorted.count / 2
        return sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    }

    /// The value at or below which `fraction` (0…1) of the samples lie (nearest rank); 0 of nothing.
    ///
    /// - Parameter sorted: ascending.
    static func percentile(_ fraction: Double, ofSorted sorted: [Double]) -> Double {
        guard !sorted.isEmpty else { return 0 }
        let rank = Int((fraction * Double(sorted.count)).rounded(.up)) - 1
        return sorted[min(max(rank, 0), sorted.count - 1)]
    }
}
