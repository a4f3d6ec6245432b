import BelfryModel
import OTLPTracing

extension Settings {
    static let trace: [Setting] = [
        .count(
            "trace.sample", \.trace.sample, 0...1_000_000_000, unit: "messages",
            "One in so many messages is traced, by its id, for `belfry trace`; 0 is none. To be the same on relay and "
                + "nodes."),
        .duration(
            "trace.slowerThan", \.trace.slowerThan, .zero...(.seconds(86_400)),
            "A message that is older than this when a process has it is traced from then on, fifty a second at most; "
                + "0s is none."),
        .duration(
            "trace.keep", \.trace.keep, .zero...(.seconds(30 * 86_400)),
            "How long what is noted of traced messages is kept; 0s notes nothing at all."),
        .url(
            "otel.endpoint", \.otelEndpoint, schemes: ["http", "https"],
            "The base URL of an OpenTelemetry collector that takes OTLP over HTTP, such as `http://127.0.0.1:4318`: "
                + "messages with a sampled `traceparent` become spans; none when absent."),
        Setting(
            key: "otel.headers", unit: "name=value,...",
            summary: "Header fields for the collector, as OTEL_EXPORTER_OTLP_HEADERS has them: values are "
                + "percent-encoded.",
            isSecret: true, defaultText: nil
        ) { text, configuration in
            guard OTLPConfiguration.parseFields(text) != nil else {
                return "header fields such as api-key=abc,x-tenant=a%20b"
            }
            configuration.otelHeaders = text
            return nil
        },
        .text("otel.serviceName", \.otelServiceName, "What spans have as `service.name`."),
        .count(
            "otel.queueMax", \.otelQueueMax, 1...1_000_000, unit: "spans",
            "Spans that wait for the collector; further ones are dropped and counted."),
    ]
}
