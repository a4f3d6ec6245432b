import BelfryModel
import Logging
import Outbox
import Postgres

/// What the leader does with messages that are older than the settings keep them: round after round it walks through
/// the log, a few rows at a time, and makes room for everything else.
final class RelayRetention: Sendable {
    /// Many small ones: what is delivered waits for a processor no longer than one takes.
    private static let looksPerSecond = 50
    private static let rowsMax = 5_000
    /// From the end of a round to the next one.
    private static let roundPause: Duration = .seconds(60)
    /// A first look at an end that vacuum has not cleaned may take long: no more than a twentieth of the time.
    private static let slowestShare = 20
    private static let failurePause: Duration = .seconds(10)
    /// While the relay is this far behind, it has the server to itself.
    private static let lagMax: Duration = .seconds(1)

    private let policy: RetentionPolicy
    private let store: RelayStore
    private let status: RelayStatus
    private let metrics: RelayMetrics
    private let logger: Logger
    private let observe: @Sendable (RelayEvent) -> Void

    /// - Parameter store: on other connections than the loop's.
    init(
        policy: RetentionPolicy, store: RelayStore, status: RelayStatus, metrics: RelayMetrics, logger: Logger,
        observe: @escaping @Sendable (RelayEvent) -> Void
    ) {
        self.policy = policy
        self.store = store
        self.status = status
        self.metrics = metrics
        self.logger = logger
        self.observe = observe
    }

    /// Runs until the task is cancelled; returns at once where everything is kept.
    func run() async {
        guard !policy.keepsAllMessages || policy.acts != nil else { return }
        var position: Int64?
        var slowest: Duration = .zero
        var hasFailed = false
        while !Task.isCancelled {
            guard status.snapshot.lag < Self.lagMax else {
                try? await Task.sleep(for: Self.lagMax)
                continue
            }
            let began = ContinuousClock.now
            let pause: Duration
            do throws(PostgresError) {
                let batch =
                    policy.keepsAllMessages
                    ? .nothing : try await store.deleteOld(after: position, rows: rows, policy: policy)
                let took = began.duration(to: .now)
                slowest = max(slowest, took)
                note(batch)
                position = batch.isAtEnd ? 0 : batch.position
                if batch.isAtEnd { try await letActsGo() }
                pause = batch.isAtEnd ? max(Self.roundPause, slowest * Self.slowestShare) : self.pause(after: took)
                if batch.isAtEnd { slowest = .zero }
                hasFailed = false
            } catch {
                if !hasFailed { logger.warning("Old messages could not be deleted; it is tried again: \(error)") }
                hasFailed = true
                pause = Self.failurePause
            }
            try? await Task.sleep(for: pause)
        }
    }

    /// Those of a round; of many the rest waits for the next one.
    private func letActsGo() async throws(PostgresError) {
        guard let age = policy.acts else { return }
        let count = try await store.deleteOldActs(age: age)
        guard count > 0 else { return }
        metrics.retentionActsDeleted.increment(by: count)
        observe(.deletedOldActs(count: count))
    }

    private var rows: Int { min(Self.rowsMax, max(1, policy.rowsPerSecondMax / Self.looksPerSecond)) }

    /// What is left of the time for that many rows; at least as long as it took, so that a server that is busy gets
    /// rest.
    private func pause(after took: Duration) -> Duration {
        let share = Duration.seconds(1) * rows / max(1, policy.rowsPerSecondMax)
        return max(share - took, took)
    }

    private func note(_ batch: RetentionBatch) {
        if batch.deleted > 0 {
            metrics.retentionDeleted.increment(by: batch.deleted)
            observe(.deletedOld(count: batch.deleted))
        }
        if batch.isAtEnd, !policy.keepsAllMessages {
            metrics.retentionRounds.increment()
            observe(.retentionRoundEnded)
        }
    }
}
