import BelfryModel
import Metrics
import PrometheusMetrics

/// The metrics of a process that serves.
enum MetricsSetup {
    /// Makes the Prometheus registry the backend of swift-metrics. Once a process, before the first metric is made.
    static func bootstrap(roles: ProcessRoles) -> PrometheusRegistry {
        let registry = PrometheusRegistry(
            // What processes report of their latencies is counts of these.
            configuration: .init(help: MetricHelp.texts, timerBuckets: LatencyBuckets.bounds))
        MetricsSystem.bootstrap(registry)
        Gauge(label: "belfry_build_info", dimensions: [("version", BelfryVersion.current), ("command", roles.name)])
            .record(1)
        return registry
    }
}
