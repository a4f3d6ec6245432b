import CoreMetrics

/// A number that goes up and down: gauges, recorders that don't aggregate, and meters.
final class PrometheusGauge: MetricSeries, RecorderHandler, MeterHandler {
    let name: String
    let labels: SeriesLabels
    private let number = AtomicDouble()

    init(name: String, labels: SeriesLabels) {
        self.name = name
        self.labels = labels
    }

    func record(_ value: Int64) { number.store(Double(value)) }
    func record(_ value: Double) { number.store(value) }
    func set(_ value: Int64) { number.store(Double(value)) }
    func set(_ value: Double) { number.store(value) }
    func increment(by amount: Double) { number.add(amount) }
    func decrement(by amount: Double) { number.add(-amount) }

    var readValue: Double? { number.value }

    func render(into text: inout PrometheusText) {
        text.sample(name, labels: labels.braced(), value: number.value)
    }
}
