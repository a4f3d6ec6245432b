import CoreMetrics

extension PrometheusRegistry: MetricsFactory {
    public func makeCounter(label: String, dimensions: [(String, String)]) -> any CounterHandler {
        counter(label: label, dimensions: dimensions)
    }

    public func makeFloatingPointCounter(
        label: String, dimensions: [(String, String)]
    ) -> any FloatingPointCounterHandler {
        counter(label: label, dimensions: dimensions)
    }

    public func makeMeter(label: String, dimensions: [(String, String)]) -> any MeterHandler {
        gauge(label: label, dimensions: dimensions)
    }

    public func makeRecorder(label: String, dimensions: [(String, String)], aggregate: Bool) -> any RecorderHandler {
        guard aggregate else { return gauge(label: label, dimensions: dimensions) }
        let name = MetricName.metric(label)
        return histogram(name, label: label, dimensions: dimensions, buckets: recorderBuckets)
    }

    public func makeTimer(label: String, dimensions: [(String, String)]) -> any TimerHandler {
        let name = MetricName.timer(label)
        return histogram(name, label: label, dimensions: dimensions, buckets: timerBuckets)
    }

    public func destroyCounter(_ handler: any CounterHandler) { destroy(handler) }
    public func destroyFloatingPointCounter(_ handler: any FloatingPointCounterHandler) { destroy(handler) }
    public func destroyMeter(_ handler: any MeterHandler) { destroy(handler) }
    public func destroyRecorder(_ handler: any RecorderHandler) { destroy(handler) }
    public func destroyTimer(_ handler: any TimerHandler) { destroy(handler) }

    private func counter(label: String, dimensions: [(String, String)]) -> PrometheusCounter {
        let name = MetricName.counter(label)
        return series(name, .counter, label: label, dimensions: dimensions) { labels, _ in
            PrometheusCounter(name: name, labels: labels)
        }
    }

    private func gauge(label: String, dimensions: [(String, String)]) -> PrometheusGauge {
        let name = MetricName.metric(label)
        return series(name, .gauge, label: label, dimensions: dimensions) { labels, _ in
            PrometheusGauge(name: name, labels: labels)
        }
    }

    private func histogram(
        _ name: String, label: String, dimensions: [(String, String)], buckets: [Double]
    ) -> PrometheusHistogram {
        series(name, .histogram, label: label, dimensions: dimensions, buckets: buckets) { labels, bounds in
            PrometheusHistogram(name: name, labels: labels, bounds: bounds)
        }
    }
}
