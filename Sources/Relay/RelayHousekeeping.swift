import BelfryModel
import Logging
import Outbox
import Postgres

/// The leader's clockwork: releases what is due, expires, settles broadcasts, buries dead nodes. It runs beside the loop
/// and goes on while the bus is away.
struct RelayHousekeeping: Sendable {
    /// The longest pause between two looks.
    private static let interval: Duration = .seconds(1)
    /// Between two counts of the outbox, which read all of it.
    private static let countInterval: Duration = .seconds(10)

    /// Nodes are taken for dead only by a relay that has reached PostgreSQL for this long: after an outage all nodes are
    /// late with their heart-beats.
    private static let buryAfter: Duration = .seconds(15)

    /// On other connections than the loop's.
    let store: RelayStore
    let limits: Limits
    let status: RelayStatus
    let metrics: RelayMetrics
    let logger: Logger
    let observe: @Sendable (RelayEvent) -> Void
    /// Rows were stamped anew: the loop is to look.
    let onRelease: @Sendable () -> Void
    /// Signalled when a row came by that must wait for a time.
    let signal: WakeSignal

    /// Runs until the task is cancelled.
    func run() async {
        var nextCount = ContinuousClock.now
        var hasFailed = false
        var healthySince = ContinuousClock.now
        while !Task.isCancelled {
            var pause = Self.interval
            do throws(PostgresError) {
                pause = try await look(healthySince: healthySince)
                if ContinuousClock.now >= nextCount {
                    try await count()
                    nextCount = .now + Self.countInterval
                }
                hasFailed = false
            } catch {
                // The leader's own connection decides about the leadership, so this is only told once.
                if !hasFailed { logger.warning("The relay's housekeeping failed and will be tried again: \(error)") }
                hasFailed = true
                healthySince = .now
            }
            metrics.lagSeconds.record(status.snapshot.lag / .seconds(1))
            _ = await signal.wait(upTo: pause)
        }
    }

    /// Does what is due. Returns the pause until something falls due.
    private func look(healthySince: ContinuousClock.Instant) async throws(PostgresError) -> Duration {
        let dues = try await store.dues(topicHold: limits.topicHold)
        var changes = 0
        if let release = dues.release, release <= 0 {
            let count = try await store.releaseDue()
            changes += count
            if count > 0 {
                onRelease()
                observe(.released(count: count))
            }
        }
        if let expiry = dues.expiry, expiry <= 0 { changes += noteExpired(try await store.expireDue()) }
        if let settlement = dues.settlement, settlement <= 0 {
            changes += noteExpired(try await store.settleTopics(topicHold: limits.topicHold))
        }
        if dues.hasDeadNodes, healthySince.duration(to: .now) > Self.buryAfter {
            let buried = try await store.buryDeadNodes()
            logger.notice(
                "Removed nodes that gave no sign of life for 15 s.",
                metadata: [
                    "nodes": "\(buried.nodes)", "sessions": "\(buried.sessions)",
                    "messages_redelivered": "\(buried.messages)",
                ])
        }
        // There may be more; a pause keeps a steady trickle from becoming a busy loop.
        if changes > 0 { return .milliseconds(100) }
        let next = [dues.release, dues.expiry, dues.settlement].compactMap { $0 }.filter { $0 > 0 }.min()
        // What is overdue and was not done is held by another transaction: it waits for the next look.
        return next.map { min(.milliseconds($0), Self.interval) } ?? Self.interval
    }

    private func noteExpired(_ count: Int) -> Int {
        if count > 0 {
            metrics.expired.increment(by: count)
            observe(.expired(count: count))
        }
        return count
    }

    private func count() async throws(PostgresError) {
        let (pending, parked) = try await store.countMessages()
        status.update { $0.pending = pending }
        metrics.pending.record(pending)
        metrics.parkedNow.record(parked)
    }
}
