import BelfryModel
import Logging
import Outbox
import Postgres
import Synchronization

/// What the leader does by the clock: releases what is due, expires, settles broadcasts, removes dead nodes. It runs
/// beside the loop, and goes on while the bus is away.
final class RelayHousekeeping: Sendable {
    /// The longest pause between two looks.
    private static let interval: Duration = .seconds(1)
    /// Between two counts of the outbox, which read all of it.
    private static let countInterval: Duration = .seconds(10)

    /// Nodes are taken for dead only by a relay that has reached PostgreSQL for this long: after an outage all nodes
    /// are late with their heart-beats.
    private static let deadNodePatience: Duration = .seconds(15)

    /// On other connections than the loop's.
    let store: RelayStore
    let limits: Limits
    let status: RelayStatus
    let metrics: RelayMetrics
    let logger: Logger
    let observe: @Sendable (RelayEvent) -> Void
    /// Whose failures could not all be noted.
    let publisher: RelayPublisher
    /// Set when an advance could not note when some broadcasts were published; at first it is not known what the last
    /// leader did.
    let hasUnnotedBroadcasts = Atomic<Bool>(true)
    private let reportedUnqueued = Atomic<Int>(0)
    /// Rows were stamped anew: the loop is to look.
    let onRelease: @Sendable () -> Void
    /// Signalled when a row came by that must wait for a time.
    let signal = WakeSignal()

    init(
        store: RelayStore, publisher: RelayPublisher, limits: Limits, status: RelayStatus, metrics: RelayMetrics,
        logger: Logger, observe: @escaping @Sendable (RelayEvent) -> Void, onRelease: @escaping @Sendable () -> Void
    ) {
        self.store = store
        self.publisher = publisher
        self.limits = limits
        self.status = status
        self.metrics = metrics
        self.logger = logger
        self.observe = observe
        self.onRelease = onRelease
    }

    /// Runs until the task is cancelled.
    func run() async {
        var nextCount = ContinuousClock.now
        var hasFailed = false
        var healthySince = ContinuousClock.now
        while !Task.isCancelled {
            var failure: PostgresError?
            let pause = await look(healthySince: healthySince, &failure)
            if ContinuousClock.now >= nextCount {
                await attempt(&failure) { () async throws(PostgresError) in try await count() }
                nextCount = .now + Self.countInterval
            }
            if let failure {
                // The leader's own connection decides about the leadership, so this is only told once.
                if !hasFailed { logger.warning("The relay's housekeeping failed and will be tried again: \(failure)") }
                if !failure.isRefusal { healthySince = .now }
            }
            hasFailed = failure != nil
            for row in store.takeRefusedRows() {
                logger.error(
                    "PostgreSQL refuses to release, expire or settle a message; it is skipped for a minute",
                    metadata: ["message": "\(row.id)", "error": "\(row.error)"])
            }
            metrics.lagSeconds.record(status.snapshot.lag / .seconds(1))
            _ = await signal.wait(upTo: pause)
        }
    }

    /// One duty: what it fails of stops no other.
    private func attempt(
        _ failure: inout PostgresError?, _ duty: () async throws(PostgresError) -> Void
    ) async {
        do throws(PostgresError) {
            try await duty()
        } catch {
            failure = error
        }
    }

    /// Does what is due. Returns the pause until something falls due.
    private func look(
        healthySince: ContinuousClock.Instant, _ failure: inout PostgresError?
    ) async -> Duration {
        let dues: RelayDues
        do throws(PostgresError) {
            dues = try await store.dues(topicHold: limits.topicHold)
        } catch {
            failure = error
            return Self.interval
        }
        let changes = await doDue(dues, &failure)
        await attempt(&failure) { () async throws(PostgresError) in try await comeBack() }
        if dues.hasDeadNodes, healthySince.duration(to: .now) > Self.deadNodePatience {
            await attempt(&failure) { () async throws(PostgresError) in try await removeDeadNodes() }
        }
        // There may be more; a pause keeps a steady trickle from becoming a busy loop.
        if changes > 0 { return .milliseconds(100) }
        let next = [dues.release, dues.expiry, dues.settlement].compactMap { $0 }.filter { $0 > 0 }.min()
        // What is overdue and was not done is held by another transaction: it waits for the next look.
        return next.map { min(.milliseconds($0), Self.interval) } ?? Self.interval
    }

    /// Returns how many rows changed.
    private func doDue(_ dues: RelayDues, _ failure: inout PostgresError?) async -> Int {
        var changes = 0
        if let release = dues.release, release <= 0 {
            await attempt(&failure) { () async throws(PostgresError) in
                let count = try await store.releaseDue()
                changes += count
                if count > 0 {
                    onRelease()
                    observe(.released(count: count))
                }
            }
        }
        if let expiry = dues.expiry, expiry <= 0 {
            await attempt(&failure) { () async throws(PostgresError) in
                changes += noteExpired(try await store.expireDue())
            }
        }
        if let settlement = dues.settlement, settlement <= 0 {
            await attempt(&failure) { () async throws(PostgresError) in
                changes += noteExpired(try await store.settleTopics(topicHold: limits.topicHold))
            }
        }
        if dues.hasRest {
            await attempt(&failure) { () async throws(PostgresError) in
                let count = try await store.stampRest()
                changes += count
                if count > 0 { onRelease() }
            }
        }
        return changes
    }

    private func removeDeadNodes() async throws(PostgresError) {
        let removed = try await store.removeDeadNodes()
        logger.notice(
            "Removed nodes that had sent no heart-beat for 15 s.",
            metadata: [
                "nodes": "\(removed.nodes)", "sessions": "\(removed.sessions)",
                "messages_redelivered": "\(removed.messages)",
            ])
    }

    /// To what was left because another transaction held its rows.
    private func comeBack() async throws(PostgresError) {
        let parked = await publisher.recordHeld()
        if parked > 0 {
            metrics.parked.increment(by: parked)
            observe(.parked(count: parked))
        }
        guard hasUnnotedBroadcasts.exchange(false, ordering: .relaxed) else { return }
        do throws(PostgresError) {
            if try await store.notePublishedBroadcasts() > 0 { hasUnnotedBroadcasts.store(true, ordering: .relaxed) }
        } catch {
            hasUnnotedBroadcasts.store(true, ordering: .relaxed)
            throw error
        }
    }

    private func noteExpired(_ count: Int) -> Int {
        if count > 0 {
            metrics.expired.increment(by: count)
            observe(.expired(count: count))
        }
        return count
    }

    private func count() async throws(PostgresError) {
        let counts = try await store.countMessages()
        metrics.pending.record(counts.pending)
        metrics.parkedNow.record(counts.parked)
        metrics.unqueued.record(counts.unqueued)
        let known = reportedUnqueued.exchange(counts.unqueued, ordering: .relaxed)
        guard counts.unqueued > known else { return }
        logger.warning(
            """
            Some pending messages were inserted without being queued (session_replication_role = replica: logical \
            replication, or a restore). They are not delivered until they are replayed: see belfry.unqueued and \
            belfry.undelivered.
            """, metadata: ["messages": "\(counts.unqueued)"])
    }
}
