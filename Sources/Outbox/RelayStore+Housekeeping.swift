import BelfryModel
import Postgres

extension RelayStore {
    /// What waits for a time to come.
    ///
    /// - Parameter topicHold: how long a broadcast stays after it was published.
    public func dues(topicHold: Duration) async throws(PostgresError) -> RelayDues {
        let result = try await execute(HousekeepingStatements.dues, [.int64(topicHold.milliseconds)])
        return RelayDues(
            release: result.int64(0, 0), expiry: result.int64(0, 1), settlement: result.int64(0, 2),
            hasDeadNodes: result.bool(0, 3), hasRest: result.bool(0, 4))
    }

    /// Stamps held-back rows whose time has come, so that the loop publishes them. Returns how many.
    public func releaseDue() async throws(PostgresError) -> Int { try await deal(with: .release) }

    /// Takes rows whose `expires_at` has passed out of the outbox. Returns how many messages became `expired`.
    public func expireDue() async throws(PostgresError) -> Int { try await deal(with: .expire) }

    /// Takes broadcasts out of the outbox that were published `topicHold` ago. Returns how many nobody had taken.
    public func settleTopics(topicHold: Duration) async throws(PostgresError) -> Int {
        try await deal(with: .settle(hold: topicHold))
    }

    /// Notes that broadcasts were published of which an advance could not. Returns how many are still held.
    public func notePublishedBroadcasts() async throws(PostgresError) -> Int {
        Int(try await execute(HousekeepingStatements.notePublished).int64(0, 0) ?? 0)
    }

    /// Removes nodes without a sign of life for 15 s, and sessions without a node, after marking what they may have
    /// been shown as redelivered.
    public func removeDeadNodes() async throws(PostgresError) -> (nodes: Int, sessions: Int, messages: Int) {
        let result = try await execute(HousekeepingStatements.removeDeadNodes)
        _ = try await execute(PresenceStatements.removeDead)
        return (Int(result.int64(0, 0) ?? 0), Int(result.int64(0, 1) ?? 0), Int(result.int64(0, 2) ?? 0))
    }

    /// Notes that a message could not be published.
    ///
    /// - Parameters:
    ///   - reason: a sentence for the operator.
    ///   - attemptsMax: the tries after which it is parked; 1 parks it now.
    ///   - delay: the pause before the next try.
    public func recordFailure(
        _ id: MessageID, xid: UInt64, reason: String, attemptsMax: Int, delay: Duration
    ) async throws(PostgresError) -> PublishFailure {
        let result = try await execute(
            HousekeepingStatements.recordFailure,
            [
                .int64(id.rawValue), .text(String(xid)), .text(reason), .int64(Int64(attemptsMax)),
                .int64(delay.milliseconds),
            ])
        return switch result.string(0, 0) {
        case "postponed": .postponed
        case "parked": .parked
        case "held": .held
        default: .gone
        }
    }

    /// Counts rows of the outbox (undelivered messages, and broadcasts in their time for late nodes), parked messages,
    /// and messages that were inserted without being queued; what is none of these any more is tidied away first.
    public func countMessages() async throws(PostgresError) -> MessageCounts {
        _ = try await execute(HousekeepingStatements.tidyParked)
        _ = try await execute(HousekeepingStatements.tidyUnqueued)
        let result = try await execute(HousekeepingStatements.countMessages)
        return MessageCounts(
            pending: Int(result.int64(0, 0) ?? 0), parked: Int(result.int64(0, 1) ?? 0),
            unqueued: Int(result.int64(0, 2) ?? 0))
    }
}
