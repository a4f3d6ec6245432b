import Logging
import MessageTrace
import NIOPosix
import OTLPTracing
import OutgoingHTTP
import Postgres
import ServiceLifecycle

/// What becomes of messages, noted: hops for `belfry trace`, and spans for a collector. Both are brought away beside
/// the way of messages, by a connection to PostgreSQL and a client of HTTP of their own.
struct TraceService: Service {
    /// Time at the end for what is left.
    private static let farewell: Duration = .seconds(3)

    /// What relay and node note with.
    let recorder: TraceRecorder
    /// Whether this process has the relay that leads.
    var isLeading: @Sendable () -> Bool = { false }
    private let hops: (writer: TraceWriter, client: PostgresClient)?
    private let spans: (exporter: OTLPExporter, client: OutgoingHTTPClient)?

    /// - Parameters:
    ///   - process: its name, unlike every other's.
    ///   - mayLead: it has a relay, which deletes what is old, whether it notes anything itself or not.
    /// - Throws: `ConfigurationError` for an endpoint that is none.
    init(
        _ configuration: BelfryConfiguration, _ database: PostgresConfiguration, process: String, mayLead: Bool
    ) throws(ConfigurationError) {
        var queue: SpanQueue?
        if let collector = try Self.collector(configuration, process: process) {
            let made = SpanQueue(spansMax: configuration.otelQueueMax)
            queue = made
            let client = OutgoingHTTPClient(
                eventLoopGroup: MultiThreadedEventLoopGroup.singleton, connectionsMax: 1)
            spans = (
                OTLPExporter(collector, queue: made, client: client, logger: Logger(label: "belfry.otel")), client
            )
        } else {
            spans = nil
        }
        recorder = TraceRecorder(configuration.trace, spans: queue.map { MessageTracer(queue: $0) })
        guard configuration.trace.isOn || mayLead else {
            hops = nil
            return
        }
        let client = PostgresClient(configuration: database, size: 1)
        hops = (
            TraceWriter(
                recorder, executor: client, process: process, keep: configuration.trace.keep,
                logger: Logger(label: "belfry.trace")), client
        )
    }

    /// Where spans go; `nil` for nowhere.
    static func collector(
        _ configuration: BelfryConfiguration, process: String
    ) throws(ConfigurationError) -> OTLPConfiguration? {
        guard let endpoint = configuration.otelEndpoint else { return nil }
        let fields = configuration.otelHeaders.flatMap(OTLPConfiguration.parseFields) ?? []
        let service = (configuration.otelServiceName, process, BelfryVersion.current)
        guard let made = OTLPConfiguration(endpoint: endpoint, fields: fields, service: service) else {
            throw ConfigurationError(
                .invalidValue,
                "otel.endpoint (BELFRY_OTEL_ENDPOINT) is no base URL of a collector: it is to have a host and neither "
                    + "a query nor a fragment, such as http://127.0.0.1:4318.")
        }
        return made
    }

    func run() async throws {
        hops?.client.start()
        await cancelWhenGracefulShutdown {
            await withTaskGroup(of: Void.self) { group in
                if let writer = hops?.writer { group.addTask { await writer.run(isLeading: isLeading) } }
                if let exporter = spans?.exporter { group.addTask { await exporter.run() } }
                // With no task at all it waits all the same.
                group.addTask { try? await gracefulShutdown() }
            }
        }
        // Relay and node have ended: nothing comes any more.
        await withTaskGroup(of: Void.self) { group in
            if let hops {
                group.addTask {
                    await hops.writer.finish()
                    await hops.client.close()
                }
            }
            if let spans {
                group.addTask {
                    await spans.exporter.finish(within: Self.farewell)
                    await spans.client.shutdown()
                }
            }
        }
    }
}
