import BelfryModel
import Metrics
import Outbox

/// What a node counts, by swift-metrics; `docs/metrics.md` lists the names.
final class NodeMetrics: Sendable {
    private let sessionsOpen = Meter(label: "belfry_sessions")
    private let sessionsTotal = Counter(label: "belfry_sessions_total")
    private let sentTotal = Counter(label: "belfry_messages_sent_total")
    private let acknowledgedTotal = Counter(label: "belfry_messages_acknowledged_total")
    private let deliveredTotal = Counter(label: "belfry_messages_delivered_total")
    private let refusedTotal = Counter(label: "belfry_messages_refused_total")
    private let parked = Counter(label: "belfry_messages_parked_total")
    private let missedTotal = Counter(label: "belfry_messages_missed_total")
    private let busConnections = Counter(label: "belfry_bus_connections_total")
    private let statementFailures = Counter(label: "belfry_node_statement_failures_total")
    private let marksGivenUp = Counter(label: "belfry_marks_given_up_total")
    private let refreshesTotal = Counter(label: "belfry_token_refreshes_total")
    private let dropped: [DroppedEnvelope: Counter] = Dictionary(
        uniqueKeysWithValues: DroppedEnvelope.allCases.map {
            ($0, Counter(label: "belfry_envelopes_dropped_total", dimensions: [("reason", $0.rawValue)]))
        })
    private let arrivalSeconds = Timer(label: "belfry_arrival_seconds")
    private let deliverySeconds = Timer(label: "belfry_delivery_seconds")
    private let closes: [CloseReason: Counter] = Dictionary(
        uniqueKeysWithValues: CloseReason.allCases.map {
            ($0, Counter(label: "belfry_session_closes_total", dimensions: [("reason", $0.rawValue)]))
        })

    /// A hundred years: what is older says nothing of how fast we are.
    private static let ageMicrosecondsMax: Int64 = 3_155_760_000_000_000

    /// Why a message of the bus is not looked at.
    enum DroppedEnvelope: String, CaseIterable {
        /// Another installation's.
        case foreign
        /// Of a life of PostgreSQL that is not the present one, as far as known.
        case otherIncarnation
        /// Of a leader that was superseded.
        case superseded
    }

    func droppedEnvelope(_ why: DroppedEnvelope) { dropped[why]?.increment() }
    func markGivenUp() { marksGivenUp.increment() }

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

    func refreshedToken() { refreshesTotal.increment() }

    /// A message came by the bus.
    ///
    /// - Parameter createdAtMicroseconds: by PostgreSQL's clock, as whoever wrote the envelope has it.
    func arrived(createdAtMicroseconds: Int64, nowMicroseconds: Int64) {
        let age = nowMicroseconds.subtractingReportingOverflow(createdAtMicroseconds)
        guard !age.overflow, (0...Self.ageMicrosecondsMax).contains(age.partialValue) else { return }
        arrivalSeconds.recordNanoseconds(age.partialValue * 1_000)
    }

    func sent() { sentTotal.increment() }
    func acknowledged(_ count: Int) { acknowledgedTotal.increment(by: count) }
    func refused(_ count: Int) { refusedTotal.increment(by: count) }
    func missedFound() { missedTotal.increment() }
    func busConnected() { busConnections.increment() }
    func statementFailed() { statementFailures.increment() }

    func wrote(_ marks: MarksWritten) {
        deliveredTotal.increment(by: marks.deliveredAgesSeconds.count)
        for age in marks.deliveredAgesSeconds {
            deliverySeconds.recordNanoseconds(Int64(max(0, age) * 1_000_000_000))
        }
        if !marks.parked.isEmpty { parked.increment(by: marks.parked.count) }
    }
}
