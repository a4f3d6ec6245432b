import Logging
import Outbox
import Postgres

/// The leader's work on replays that operators have asked for: a batch of each in turn. It runs beside loop and
/// housekeeping, and goes on where the leader before stopped, as all that it knows stands in the job's row.
struct RelayReplayJobs: Sendable {
    /// Between two looks for jobs.
    private static let interval: Duration = .seconds(1)
    /// From one round of batches to the next. It makes a thousand messages a batch the highest rate, 10,000 a second.
    private static let roundInterval: Duration = .milliseconds(100)
    /// After a round, so that jobs that are many, or one that walks over a large log, leave something of PostgreSQL.
    private static let pauseMin: Duration = .milliseconds(5)

    /// On other connections than the loop's.
    let store: RelayStore
    let term: Int64
    var bounds = ReplayBounds()
    let metrics: RelayMetrics
    let logger: Logger
    let observe: @Sendable (RelayEvent) -> Void

    /// Runs until the task is cancelled, or another relay leads.
    func run() async {
        var hasFailed = false
        while !Task.isCancelled {
            var pause = Self.interval
            do throws(PostgresError) {
                guard let next = try await round() else { return }
                pause = next
                hasFailed = false
            } catch {
                if !hasFailed { logger.warning("The relay's replay jobs failed and will be tried again: \(error)") }
                hasFailed = true
            }
            try? await Task.sleep(for: pause)
        }
    }

    /// A batch of each running job. Returns the pause until the next round; `nil` when another relay leads.
    private func round() async throws(PostgresError) -> Duration? {
        let began = ContinuousClock.now
        let jobs = try await store.runningReplayJobs()
        metrics.replayJobs.record(jobs.count)
        var pause = Self.interval
        for job in jobs where !Task.isCancelled {
            let step = try await step(job)
            switch step?.outcome {
            case .deposed: return nil
            // As long as it took: a large log is looked through half of the time.
            case .moved where step?.queued == 0: pause = min(pause, began.duration(to: .now))
            case .moved, .paced, .full: pause = min(pause, Self.roundInterval - began.duration(to: .now))
            case .done, .held, .gone, nil: break
            }
        }
        return max(pause, Self.pauseMin)
    }

    /// `nil` when PostgreSQL refuses the batch, which ends the job.
    private func step(_ job: Int64) async throws(PostgresError) -> ReplayStep? {
        do throws(PostgresError) {
            let step = try await store.stepReplayJob(job, term: term, bounds: bounds)
            metrics.replayed.increment(by: step.queued)
            if step.queued > 0 { observe(.replayed(job: job, count: step.queued)) }
            if step.outcome == .done {
                logger.notice("A replay job is done.", metadata: ["job": "\(job)"])
                observe(.replayJobDone(job))
            }
            return step
        } catch {
            // 55000: another relay has become the leader in the middle of it.
            guard error.isRefusal, error.sqlState != "55000" else { throw error }
            if try await store.failReplayJob(job, term: term, reason: "A batch was refused: \(error.sentence)") {
                logger.error("A replay job has failed", metadata: ["job": "\(job)", "error": "\(error)"])
            }
            return nil
        }
    }
}
