import CoreMetrics
import PrometheusMetrics
import Testing

/// What a scrape shows of the metrics that the code counts.
struct PrometheusRegistryTests {
    @Test func countersAreRenderedWithHelpAndType() {
        let registry = PrometheusRegistry(configuration: .init(help: ["belfry_messages": "Messages\nby \\ state."]))
        Counter(label: "belfry_messages", dimensions: [("state", "sent")], factory: registry).increment(by: 3)
        Counter(label: "belfry_messages", dimensions: [("state", "acked")], factory: registry).increment()
        #expect(
            registry.render() == """
                # HELP belfry_messages_total Messages\\nby \\\\ state.
                # TYPE belfry_messages_total counter
                belfry_messages_total{state="acked"} 1
                belfry_messages_total{state="sent"} 3

                """)
    }

    @Test func sameLabelAndDimensionsInAnyOrderAreOneSeries() {
        let registry = PrometheusRegistry()
        let first = registry.makeCounter(label: "c", dimensions: [("a", "1"), ("b", "2")])
        let second = registry.makeCounter(label: "c", dimensions: [("b", "2"), ("a", "1")])
        #expect(first === second)
        #expect(registry.makeCounter(label: "c", dimensions: [("a", "2"), ("b", "1")]) !== first)
        #expect(registry.makeTimer(label: "t", dimensions: []) === registry.makeTimer(label: "t", dimensions: []))
    }

    @Test func floatingPointAndWholeIncrementsAddUp() {
        let registry = PrometheusRegistry()
        Counter(label: "c", factory: registry).increment(by: 2)
        FloatingPointCounter(label: "c", factory: registry).increment(by: 0.5)
        #expect(registry.render().contains("c_total 2.5\n"))
        Counter(label: "c", factory: registry).reset()
        #expect(registry.render().contains("c_total 0\n"))
    }

    @Test func counterIgnoresNegativeAmounts() {
        let registry = PrometheusRegistry()
        let handler = registry.makeCounter(label: "c", dimensions: [])
        handler.increment(by: 5)
        handler.increment(by: -3)
        #expect(registry.render().contains("c_total 5\n"))
    }

    @Test func gaugesAndMetersShowTheLastValue() {
        let registry = PrometheusRegistry()
        let gauge = Gauge(label: "g", factory: registry)
        gauge.record(7)
        gauge.record(-1.25)
        let meter = Meter(label: "m", factory: registry)
        meter.set(10)
        meter.increment(by: 2.5)
        meter.decrement()
        let text = registry.render()
        #expect(text.contains("# TYPE g gauge\ng -1.25\n"))
        #expect(text.contains("# TYPE m gauge\nm 11.5\n"))
    }

    @Test(arguments: [(Double.nan, "NaN"), (.infinity, "+Inf"), (-.infinity, "-Inf"), (1e-7, "1e-07"), (1e21, "1e+21")])
    func gaugeValuesAreNumbersThatPrometheusReads(value: Double, text: String) {
        let registry = PrometheusRegistry()
        registry.makeRecorder(label: "g", dimensions: [], aggregate: false).record(value)
        #expect(registry.render().contains("g \(text)\n"))
    }

    @Test func timersAreHistogramsInSeconds() {
        let registry = PrometheusRegistry(configuration: .init(timerBuckets: [0.1, 0.001, .infinity, 1]))
        let timer = Timer(label: "delivery", dimensions: [("ack", "auto")], factory: registry)
        timer.recordNanoseconds(1_000_000)  // on the bound: inclusive
        timer.recordNanoseconds(1_000_001)
        timer.recordMilliseconds(500)
        timer.recordSeconds(2)
        timer.recordNanoseconds(-5)
        #expect(
            registry.render() == """
                # TYPE delivery_seconds histogram
                delivery_seconds_bucket{ack="auto",le="0.001"} 2
                delivery_seconds_bucket{ack="auto",le="0.1"} 3
                delivery_seconds_bucket{ack="auto",le="1"} 4
                delivery_seconds_bucket{ack="auto",le="+Inf"} 5
                delivery_seconds_sum{ack="auto"} 2.502000001
                delivery_seconds_count{ack="auto"} 5

                """)
    }

    @Test func defaultBucketsFit100MicrosecondsTo60Seconds() {
        let registry = PrometheusRegistry()
        Timer(label: "t_seconds", factory: registry).recordNanoseconds(100_000)
        let text = registry.render()
        #expect(text.contains("t_seconds_bucket{le=\"0.0001\"} 1\n"))
        #expect(text.contains("t_seconds_bucket{le=\"60\"} 1\n"))
    }

    @Test func aggregatingRecordersAreHistogramsOfTheirUnit() {
        let registry = PrometheusRegistry(configuration: .init(bucketsByLabel: ["batch": [10]]))
        let recorder = Recorder(label: "batch", factory: registry)
        recorder.record(4)
        recorder.record(40)
        recorder.record(Double.nan)
        let text = registry.render()
        #expect(text.contains("batch_bucket{le=\"10\"} 1\nbatch_bucket{le=\"+Inf\"} 2\nbatch_sum 44\nbatch_count 2\n"))
    }

    @Test func labelValuesAreEscaped() {
        let registry = PrometheusRegistry()
        Counter(label: "c", dimensions: [("reason", "a\"b\\c\nd é")], factory: registry).increment()
        #expect(registry.render().contains("c_total{reason=\"a\\\"b\\\\c\\nd é\"} 1\n"))
    }

    @Test func namesAreSanitised() {
        let registry = PrometheusRegistry()
        Counter(label: "belfry.slow-closes", dimensions: [("1st", "x"), ("le", "y"), ("__z", "w")], factory: registry)
            .increment()
        Gauge(label: "9 lives", factory: registry).record(9)
        let text = registry.render()
        #expect(text.contains("belfry_slow_closes_total{_1st=\"x\",exported_le=\"y\",x__z=\"w\"} 1\n"))
        #expect(text.contains("_9_lives 9\n"))
    }

    @Test func destroyedSeriesDisappearAndStartAgainAtZero() {
        let registry = PrometheusRegistry()
        let counter = Counter(label: "c", dimensions: [("a", "1")], factory: registry)
        counter.increment(by: 9)
        Counter(label: "c", dimensions: [("a", "2")], factory: registry).increment()
        counter.destroy()
        #expect(registry.render() == "# TYPE c_total counter\nc_total{a=\"2\"} 1\n")
        counter.increment()
        #expect(!registry.render().contains("a=\"1\""))
        let again = Counter(label: "c", dimensions: [("a", "1")], factory: registry)
        counter.destroy()
        again.increment()
        #expect(registry.render().contains("c_total{a=\"1\"} 1\n"))
        let timer = Timer(label: "t", factory: registry)
        let gauge = Gauge(label: "g", factory: registry)
        let meter = Meter(label: "m", factory: registry)
        timer.destroy()
        gauge.destroy()
        meter.destroy()
        #expect(!registry.render().contains("histogram"))
        #expect(!registry.render().contains("gauge"))
    }

    @Test func aNameKeepsItsFirstKind() {
        let registry = PrometheusRegistry()
        Counter(label: "x", factory: registry).increment()
        Gauge(label: "x_total", factory: registry).record(5)
        #expect(registry.render() == "# TYPE x_total counter\nx_total 1\n")
    }

    @Test func countsAreExactUnderConcurrency() async {
        let registry = PrometheusRegistry(configuration: .init(timerBuckets: [1]))
        let tasks = 8
        let rounds = 5_000
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<tasks {
                group.addTask {
                    for round in 0..<rounds {
                        Counter(label: "c", factory: registry).increment()
                        registry.makeFloatingPointCounter(label: "f", dimensions: []).increment(by: 0.5)
                        registry.makeTimer(label: "t", dimensions: []).recordNanoseconds(
                            round.isMultiple(of: 2) ? 500_000_000 : 1_500_000_000)
                        registry.makeMeter(label: "m", dimensions: []).increment(by: 1)
                        if round.isMultiple(of: 1_000) { _ = registry.render() }
                    }
                }
            }
        }
        let all = tasks * rounds
        let text = registry.render()
        #expect(text.contains("c_total \(all)\n"))
        #expect(text.contains("f_total \(all / 2)\n"))
        #expect(text.contains("m \(all)\n"))
        #expect(text.contains("t_seconds_bucket{le=\"1\"} \(all / 2)\n"))
        #expect(text.contains("t_seconds_count \(all)\n"))
        #expect(text.contains("t_seconds_sum \(all)\n"))
    }
}
