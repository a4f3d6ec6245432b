import BelfryModel
import Logging
import Metrics
import Outbox
import Postgres

/// Brings hops to PostgreSQL, in batches, by a connection that nothing else uses: no message waits for it, and while
/// PostgreSQL is away or slow, hops are dropped and counted. Reads what operators watch, and deletes what is old.
public struct TraceWriter: Sendable {
    /// Hops of one statement, and the pause behind each: 2,000 a second of one process, unless much is deleted.
    static let batchMax = 1_000
    private static let pause: Duration = .milliseconds(500)
    private static let watchInterval: Duration = .seconds(2)
    private static let deleteInterval: Duration = .seconds(5)
    private static let deletePause: Duration = .milliseconds(20)

    private let recorder: TraceRecorder
    private let store: HopStore
    private let process: String
    private let keep: Duration
    private let logger: Logger
    private let written = Counter(label: "belfry_trace_hops_total")
    private let dropped = Counter(label: "belfry_trace_hops_dropped_total")

    /// - Parameters:
    ///   - executor: a connection of its own; its role is in `belfry_service`.
    ///   - process: its name, unlike every other's.
    ///   - keep: hops that are older are deleted.
    public init(
        _ recorder: TraceRecorder, executor: any RelayStoreExecutor, process: String, keep: Duration,
        logger: Logger
    ) {
        self.recorder = recorder
        store = HopStore(executor: executor)
        self.process = process
        self.keep = keep
        self.logger = logger
    }

    /// Writes until the task is cancelled.
    ///
    /// - Parameter isLeading: whether this process has the relay that leads, and so is to delete.
    public func run(isLeading: @Sendable () -> Bool) async {
        var hasFailed = false
        var backoff = Backoff(first: Self.pause, limit: .seconds(10))
        var (nextWatch, nextDelete) = (ContinuousClock.now, ContinuousClock.now)
        while !Task.isCancelled {
            do throws(PostgresError) {
                if ContinuousClock.now >= nextWatch {
                    try await readWatches()
                    nextWatch = .now + Self.watchInterval
                }
                try await writeBatch()
                if isLeading(), ContinuousClock.now >= nextDelete {
                    try await deleteOld()
                    nextDelete = .now + Self.deleteInterval
                }
                hasFailed = false
                backoff.reset()
            } catch {
                if !hasFailed { logger.warning("Hops of messages could not be kept; it is tried again: \(error)") }
                hasFailed = true
            }
            try? await Task.sleep(for: hasFailed ? backoff.next() : Self.pause)
        }
    }

    /// Writes what is left, at the end: a batch.
    public func finish() async {
        do throws(PostgresError) {
            try await writeBatch()
        } catch {
            logger.debug("The last hops of messages could not be kept: \(error)")
        }
    }

    /// Applications note who they are as fast as they write: what is old goes faster, in small batches with what is new
    /// written between them.
    private func deleteOld() async throws(PostgresError) {
        while !Task.isCancelled, try await store.deleteOld(keep) == HopStore.deletedMax {
            try await writeBatch()
            try? await Task.sleep(for: Self.deletePause)
        }
    }

    private func readWatches() async throws(PostgresError) {
        let watches = try await store.watches()
        recorder.watch(
            WatchList(
                receivers: Set(watches.compactMap(\.receiver)), types: Set(watches.compactMap(\.type))))
    }

    private func writeBatch() async throws(PostgresError) {
        let batch = recorder.take(Self.batchMax)
        if batch.dropped > 0 { dropped.increment(by: batch.dropped) }
        guard !batch.hops.isEmpty else { return }
        let now = ContinuousClock.now
        do throws(PostgresError) {
            try await store.write(
                batch.hops.map { hop in
                    HopRow(
                        message: hop.message, ageMicroseconds: Int64(hop.at.duration(to: now) / .microseconds(1)),
                        what: hop.what.rawValue, details: [("why", hop.reason.rawValue)] + hop.details)
                }, process: process)
            written.increment(by: batch.hops.count)
        } catch {
            // What PostgreSQL refuses it would refuse again.
            if error.isFaultOfItsData { dropped.increment(by: batch.hops.count) } else { recorder.putBack(batch.hops) }
            throw error
        }
    }
}
