import CoreMetrics
import Synchronization

/// Keeps every metric of the process and renders them as Prometheus's text format, version 0.0.4.
///
/// `MetricsSystem.bootstrap(registry)` makes it the backend of swift-metrics. Counting and recording are atomic
/// operations; only making, destroying and rendering take the lock.
public final class PrometheusRegistry: Sendable {
    /// Names, texts and buckets that the metrics do not bring along.
    public struct Configuration: Sendable {
        /// Texts for `# HELP`, by the label that the code gives the metric.
        public var help: [String: String]
        /// Upper bounds of the buckets of timers, in seconds.
        public var timerBuckets: [Double]
        /// Upper bounds of the buckets of recorders that aggregate, in the recorder's unit.
        public var recorderBuckets: [Double]
        /// Upper bounds for single metrics, by the label that the code gives the metric.
        public var bucketsByLabel: [String: [Double]]

        public init(
            help: [String: String] = [:], timerBuckets: [Double] = PrometheusRegistry.defaultTimerBuckets,
            recorderBuckets: [Double] = PrometheusRegistry.defaultRecorderBuckets,
            bucketsByLabel: [String: [Double]] = [:]
        ) {
            self.help = help
            self.timerBuckets = timerBuckets
            self.recorderBuckets = recorderBuckets
            self.bucketsByLabel = bucketsByLabel
        }
    }

    /// 100 µs to 60 s, in seconds: from a delivery within one machine to one that waited for a restart.
    public static let defaultTimerBuckets: [Double] = [
        0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    /// 1 to 100,000, for sizes of batches.
    public static let defaultRecorderBuckets: [Double] = [
        1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 100_000,
    ]

    /// The value of the `Content-Type` header for what `render` returns.
    public static let contentType = "text/plain; version=0.0.4; charset=utf-8"

    private let configuration: Configuration
    private let families = Mutex<[String: MetricFamily]>([:])

    public init(configuration: Configuration = Configuration()) {
        self.configuration = configuration
    }

    /// All metrics, sorted by name and labels, so that two renderings can be compared.
    public func render() -> String {
        let families = families.withLock { Array($0.values) }
        var text = PrometheusText()
        for family in families.sorted(by: { $0.name < $1.name }) where !family.series.isEmpty {
            text.family(family.name, family.kind, help: family.help)
            for (_, series) in family.series.sorted(by: { $0.key < $1.key }) {
                series.render(into: &text)
            }
        }
        return text.text
    }

    /// The series of that name and those dimensions, made on first use.
    ///
    /// A name has one kind: the one it was first used with. A metric that would give it another counts, but is not
    /// rendered, since two types under one name make the whole page unreadable for Prometheus.
    func series<Series: MetricSeries>(
        _ name: String, _ kind: MetricKind, label: String, dimensions: [(String, String)], buckets: [Double] = [],
        make: (SeriesLabels, [Double]) -> Series
    ) -> Series {
        let labels = SeriesLabels(dimensions)
        return families.withLock { families in
            if let family = families[name] {
                if let known = family.series[labels.text] as? Series { return known }
                let series = make(labels, family.buckets)
                if family.kind == kind { families[name]?.series[labels.text] = series }
                return series
            }
            let bounds = configuration.bucketsByLabel[label] ?? buckets
            let family = MetricFamily(
                name: name, kind: kind, help: configuration.help[label],
                buckets: Set(bounds.filter(\.isFinite)).sorted())
            let series = make(labels, family.buckets)
            families[name] = family
            families[name]?.series[labels.text] = series
            return series
        }
    }

    /// Takes the series out of the output. One made later under the same name and dimensions starts at zero.
    func destroy(_ handler: AnyObject) {
        guard let series = handler as? any MetricSeries else { return }
        families.withLock { families in
            guard families[series.name]?.series[series.labels.text] === series else { return }
            families[series.name]?.series[series.labels.text] = nil
        }
    }

    /// The series of a name that has no labels.
    func unlabelled(_ name: String) -> (any MetricSeries)? {
        families.withLock { $0[name]?.series[SeriesLabels([]).text] }
    }

    var timerBuckets: [Double] { configuration.timerBuckets }
    var recorderBuckets: [Double] { configuration.recorderBuckets }
}
