import BelfryModel
import Foundation
import Logging
import Metrics
import NIOCore
import OutgoingHTTP

/// Brings spans to an OpenTelemetry collector, by OTLP over HTTP in JSON: in batches, one request at a time. What the
/// collector does not take now is tried again for a minute; meanwhile the queue fills, and what finds no place there is
/// dropped and counted.
public struct OTLPExporter: Sendable {
    /// Spans of one request: some hundred kilobytes.
    static let batchMax = 512
    /// Time in which spans are gathered.
    private static let interval: Duration = .seconds(1)
    /// Time for which one batch is tried.
    private static let patience: Duration = .seconds(60)
    private static let answerBytesMax = 64 * 1024

    private let configuration: OTLPConfiguration
    private let queue: SpanQueue
    private let client: OutgoingHTTPClient
    private let logger: Logger
    private let interval: Duration
    private let patience: Duration
    private let exported = Counter(label: "belfry_spans_exported_total")
    private let refused = Counter(label: "belfry_spans_dropped_total", dimensions: [("reason", "refused")])
    private let late = Counter(label: "belfry_spans_dropped_total", dimensions: [("reason", "unreachable")])

    /// - Parameter client: let go by its owner.
    public init(_ configuration: OTLPConfiguration, queue: SpanQueue, client: OutgoingHTTPClient, logger: Logger) {
        self.init(configuration, queue: queue, client: client, logger: logger, interval: Self.interval)
    }

    init(
        _ configuration: OTLPConfiguration, queue: SpanQueue, client: OutgoingHTTPClient, logger: Logger,
        interval: Duration, patience: Duration = Self.patience
    ) {
        self.configuration = configuration
        self.queue = queue
        self.client = client
        self.logger = logger
        self.interval = interval
        self.patience = patience
    }

    /// Exports until the task is cancelled. What was under way then waits again, for `finish`.
    public func run() async {
        var hasFailed = false
        while !Task.isCancelled {
            let batch = queue.take(Self.batchMax)
            if batch.isEmpty {
                try? await Task.sleep(for: interval)
                continue
            }
            hasFailed = await !bring(batch, hasFailed: hasFailed)
            // A full batch is followed by the next at once.
            if batch.count < Self.batchMax { try? await Task.sleep(for: interval) }
        }
    }

    /// Sends what is left, each batch once, at the end of the process.
    public func finish(within limit: Duration) async {
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline {
            let batch = queue.take(Self.batchMax)
            guard !batch.isEmpty else { return }
            let left = ContinuousClock.now.duration(to: deadline)
            switch await offer(batch, timeout: min(configuration.timeout, left)) {
            case .taken: exported.increment(by: batch.count)
            case .partly(let rejected, _): note(batch, rejected: rejected)
            case .later(let why, _), .refused(let why):
                late.increment(by: batch.count + queue.count)
                return logger.warning("The last spans are lost: \(why)", metadata: ["spans": "\(batch.count)"])
            }
        }
    }

    /// Tries a batch until it is taken, refused, or too old. Returns whether it was taken.
    private func bring(_ batch: [FinishedSpan], hasFailed: Bool) async -> Bool {
        var backoff = Backoff(first: .milliseconds(500), limit: .seconds(15))
        let deadline = ContinuousClock.now + patience
        var hasWarned = hasFailed
        while true {
            switch await offer(batch, timeout: configuration.timeout) {
            case .taken:
                exported.increment(by: batch.count)
                if hasWarned { logger.info("The collector of spans takes them again.") }
                return true
            case .partly(let rejected, let why):
                note(batch, rejected: rejected)
                if !hasWarned {
                    logger.warning("The collector has refused spans: \(why)", metadata: ["spans": "\(rejected)"])
                }
                return true
            case .refused(let why):
                refused.increment(by: batch.count)
                if !hasWarned { logger.warning("The collector refuses spans, which are dropped: \(why)") }
                return false
            case .later(let why, let pause):
                if !hasWarned, !Task.isCancelled {
                    logger.warning(
                        "Spans can't be brought to \(configuration.shownURL), and are tried again for a minute: \(why)")
                }
                guard !Task.isCancelled else {
                    queue.putBack(batch)
                    return false
                }
                hasWarned = true
                let next = pause ?? backoff.next()
                guard ContinuousClock.now + next < deadline else {
                    late.increment(by: batch.count)
                    return false
                }
                try? await Task.sleep(for: next)
            }
        }
    }

    private func note(_ batch: [FinishedSpan], rejected: Int) {
        let count = min(rejected, batch.count)
        refused.increment(by: count)
        exported.increment(by: batch.count - count)
    }

    private func offer(_ batch: [FinishedSpan], timeout: Duration) async -> ExportVerdict {
        let document = OTLPDocument(batch, resource: configuration.resource, version: configuration.version)
        guard let json = try? document.json() else { return .refused("they can't be written as JSON.") }
        let fields = [("Content-Type", "application/json")] + configuration.fields
        do throws(OutgoingHTTPError) {
            let answer = try await client.ask(
                OutgoingRequest(.post, configuration.url, fields: fields, body: ByteBuffer(bytes: json)),
                timeout: timeout, bytesMax: Self.answerBytesMax)
            return ExportVerdict(answer, from: configuration.shownURL, now: Date())
        } catch {
            return ExportVerdict(error, port: URLComponents(string: configuration.url)?.port)
        }
    }
}
