import CoreMetrics
import Synchronization

/// A number that only grows, until `reset`.
final class PrometheusCounter: MetricSeries, CounterHandler, FloatingPointCounterHandler {
    let name: String
    let labels: SeriesLabels
    private let whole = Atomic<Int64>(0)
    private let fraction = AtomicDouble()

    init(name: String, labels: SeriesLabels) {
        self.name = name
        self.labels = labels
    }

    /// A negative amount is ignored: a counter that falls reads as a restart of the process.
    func increment(by amount: Int64) {
        guard amount > 0 else { return }
        whole.wrappingAdd(amount, ordering: .relaxed)
    }

    func increment(by amount: Double) {
        guard amount > 0, amount.isFinite else { return }
        fraction.add(amount)
    }

    func reset() {
        whole.store(0, ordering: .relaxed)
        fraction.store(0)
    }

    var readValue: Double? { Double(whole.load(ordering: .relaxed)) + fraction.value }

    func render(into text: inout PrometheusText) {
        let whole = whole.load(ordering: .relaxed)
        let fraction = fraction.value
        if fraction == 0 {
            text.sample(name, labels: labels.braced(), value: whole)
        } else {
            text.sample(name, labels: labels.braced(), value: Double(whole) + fraction)
        }
    }
}
