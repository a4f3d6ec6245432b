/// How latencies are counted, by a histogram's buckets, and what that tells.
public enum LatencyBuckets {
    /// Upper bounds, inclusive, in seconds; one more bucket holds what takes longer. From a delivery within one machine
    /// to one that waited for a restart.
    public static let bounds: [Double] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    /// The sum of two lists of counts. One that is empty, or as long as no list of these bounds is, counts for nothing.
    public static func sum(_ left: [Int64], _ right: [Int64]) -> [Int64] {
        guard right.count == bounds.count + 1 else { return left }
        guard left.count == right.count else { return right }
        return zip(left, right).map { $0.addingReportingOverflow($1).partialValue }
    }

    /// What was counted since: of each bucket what is more; empty when nothing is.
    public static func difference(_ now: [Int64], since before: [Int64]) -> [Int64] {
        guard now.count == bounds.count + 1 else { return [] }
        let more = before.count == now.count ? zip(now, before).map { max(0, $0 &- $1) } : now
        return more.contains { $0 > 0 } ? more : []
    }

    /// A quantile in seconds, interpolated within its bucket as Prometheus does it; of what took longer than the last
    /// bound, that bound. `nil` when nothing was counted.
    ///
    /// - Parameter q: from 0 to 1.
    public static func quantile(_ q: Double, of counts: [Int64]) -> Double? {
        let total = counts.reduce(0) { $0 + Double($1) }
        guard counts.count == bounds.count + 1, total > 0 else { return nil }
        let rank = q * total
        var below = 0.0
        for (place, count) in counts.enumerated() where count > 0 {
            let count = Double(count)
            if below + count >= rank {
                guard place < bounds.count else { return bounds.last }
                let low = place == 0 ? 0 : bounds[place - 1]
                return low + (bounds[place] - low) * max(0, rank - below) / count
            }
            below += count
        }
        return bounds.last
    }
}
