import BelfryModel
import Metrics

/// What the gateway counts, by swift-metrics; `docs/metrics.md` lists the names.
final class GatewayMetrics: Sendable {
    private let sessionsOpen = Meter(label: "belfry_sessions")
    private let sessionsTotal = Counter(label: "belfry_sessions_total")
    private let sent_ = Counter(label: "belfry_messages_sent_total")
    private let acknowledged_ = Counter(label: "belfry_messages_acknowledged_total")
    private let delivered_ = Counter(label: "belfry_messages_delivered_total")
    private let refused_ = Counter(label: "belfry_messages_refused_total")
    private let missed_ = Counter(label: "belfry_messages_missed_total")
    private let busConnections = Counter(label: "belfry_bus_connections_total")
    private let statementFailures = Counter(label: "belfry_node_statement_failures_total")
    private let deliverySeconds = Timer(label: "belfry_delivery_seconds")
    private let closes: [CloseReason: Counter] = Dictionary(
        uniqueKeysWithValues: CloseReason.allCases.map {
            ($0, Counter(label: "belfry_session_closes_total", dimensions: [("reason", $0.rawValue)]))
        })

    func sessionOpened() {
        sessionsOpen.increment()
        sessionsTotal.increment()
    }

    func sessionClosed(_ reason: CloseReason) {
        sessionsOpen.decrement()
        closes[reason]?.increment()
    }

    func refusedToken(code: String) {
        Counter(label: "belfry_tokens_refused_total", dimensions: [("reason", code)]).increment()
    }

    func sent() { sent_.increment() }
    func acknowledged(_ count: Int) { acknowledged_.increment(by: count) }
    func refused(_ count: Int) { refused_.increment(by: count) }
    func missedFound() { missed_.increment() }
    func busConnected() { busConnections.increment() }
    func statementFailed() { statementFailures.increment() }

    /// - Parameter agesInSeconds: from the insertion to the commit of the acknowledgement, one for each message.
    func markedDelivered(agesInSeconds: [Double]) {
        delivered_.increment(by: agesInSeconds.count)
        for age in agesInSeconds { deliverySeconds.recordNanoseconds(Int64(max(0, age) * 1_000_000_000)) }
    }
}
