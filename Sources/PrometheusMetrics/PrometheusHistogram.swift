import CoreMetrics
import Synchronization

/// A distribution: timers, in seconds, and recorders that aggregate, in their own unit.
final class PrometheusHistogram: MetricSeries, TimerHandler, RecorderHandler {
    /// A class of its own, because an array can't hold atomics.
    private final class Cell: Sendable {
        let count = Atomic<Int64>(0)
    }

    let name: String
    let labels: SeriesLabels
    private let bounds: [Double]
    /// One for each bound and one for what is above them all.
    private let cells: [Cell]
    private let sum = AtomicDouble()

    /// - Parameter bounds: upper bounds, inclusive, ascending, without +Inf.
    init(name: String, labels: SeriesLabels, bounds: [Double]) {
        self.name = name
        self.labels = labels
        self.bounds = bounds
        self.cells = (0...bounds.count).map { _ in Cell() }
    }

    /// A negative duration (a clock was set back) counts as none.
    func recordNanoseconds(_ duration: Int64) {
        record(Double(max(duration, 0)) / 1e9)
    }

    func record(_ value: Int64) { record(Double(value)) }

    /// A value that is no finite number is ignored: it would spoil the sum for good.
    func record(_ value: Double) {
        guard value.isFinite else { return }
        let index = bounds.firstIndex { value <= $0 } ?? bounds.count
        cells[index].count.wrappingAdd(1, ordering: .relaxed)
        sum.add(value)
    }

    var readValue: Double? { nil }

    /// Of each bucket by itself.
    var counts: [Int64] { cells.map { $0.count.load(ordering: .relaxed) } }

    /// The count is that of the buckets as they were read, so the two always agree; the sum may hold a value more or
    /// less.
    func render(into text: inout PrometheusText) {
        var count: Int64 = 0
        for (index, cell) in cells.enumerated() {
            count &+= cell.count.load(ordering: .relaxed)
            let bound = index < bounds.count ? PrometheusText.number(bounds[index]) : "+Inf"
            text.sample("\(name)_bucket", labels: labels.braced(le: bound), value: count)
        }
        text.sample("\(name)_sum", labels: labels.braced(), value: sum.value)
        text.sample("\(name)_count", labels: labels.braced(), value: count)
    }
}
