import BelfryModel
import Bus
import Logging
import MessageTrace
import Outbox
import Postgres
import ServiceLifecycle

/// A relay: stands by until it is the leader, and then brings every committed message to the bus. It survives the loss
/// of PostgreSQL and of the bus, and ends on graceful shutdown after the page that is under way.
public final class RelayService: Service {
    /// For health checks.
    public let status = RelayStatus()

    private let configuration: RelayConfiguration
    private let bus: any Bus
    private let logger: Logger
    private let observe: @Sendable (RelayEvent) -> Void
    private let metrics = RelayMetrics()
    private let trace: TraceRecorder
    /// For housekeeping and for testing whether notifications arrive, over the pool's connections.
    private let store: RelayStore
    /// One connection for the leader's signs of life, which wait behind nothing.
    private let beats: PostgresClient

    /// - Parameters:
    ///   - client: a pool for housekeeping; it may be shared, and is started and closed by its owner. Two connections
    ///     are enough. The role is in `belfry_service`.
    ///   - trace: where it is noted what becomes of messages.
    ///   - onEvent: told of what the relay does, on its own tasks; must not block.
    public init(
        configuration: RelayConfiguration, client: PostgresClient, bus: any Bus, logger: Logger,
        trace: TraceRecorder = .off, onEvent: (@Sendable (RelayEvent) -> Void)? = nil
    ) {
        self.configuration = configuration
        self.bus = bus
        self.logger = logger
        self.trace = trace
        self.observe = onEvent ?? { _ in }
        self.store = RelayStore(executor: client, isPrepared: false)
        self.beats = PostgresClient(configuration: configuration.direct ?? configuration.postgres, size: 1)
    }

    /// Runs until graceful shutdown or cancellation.
    public func run() async throws {
        beats.start()
        await serveUntilStopped()
        await beats.close()
    }

    private func serveUntilStopped() async {
        let mailbox = RelayMailbox()
        let listeningTested = WakeSignal()
        let listener = DoorbellListener(
            configuration: configuration.direct ?? configuration.postgres, store: store, name: configuration.name,
            logger: logger,
            onRing: { mailbox.rang() },
            onChange: { [status, observe] isListening in
                status.update { $0.isListening = isListening }
                observe(.listening(isListening))
                mailbox.listeningChanged(isListening)
                listeningTested.signal()
            })
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await listener.run() }
            group.addTask { await self.serve(listener, mailbox, listeningTested) }
            group.addTask { try? await gracefulShutdown() }
            _ = await group.next()
            // The leader's loop ends its page first; all others have nothing to lose.
            group.cancelAll()
        }
    }

    /// One election after another.
    private func serve(_ listener: DoorbellListener, _ mailbox: RelayMailbox, _ listeningTested: WakeSignal) async {
        let election = LeaderElection(
            configuration: configuration.direct ?? configuration.postgres, beats: beats, relay: configuration.name,
            pageRows: configuration.limits.claimRowsMax)
        var backoff = Backoff(first: .milliseconds(100), limit: .seconds(2))
        var hasFailed = false
        while !Task.isCancelled {
            // Whether the connection is direct decides what an election goes by.
            while listener.isListening == nil, !Task.isCancelled { _ = await listeningTested.wait(upTo: .seconds(1)) }
            do {
                let leadership = try await election.win(
                    mode: { listener.isListening == true ? .direct : .lease },
                    onStandby: {
                        self.observe(.standsBy)
                        self.logger.info("Another relay is the leader; this one is on standby.")
                    },
                    onHung: {
                        self.logger.warning("The leading relay sends no heart-beat and does nothing; it is replaced.")
                    })
                hasFailed = false
                let began = ContinuousClock.now
                await lead(leadership, listener, mailbox)
                if began.duration(to: .now) > .seconds(5) { backoff.reset() }
            } catch is CancellationError {
                return
            } catch {
                if !hasFailed { logger.warning("The relay cannot reach PostgreSQL and keeps trying: \(error)") }
                hasFailed = true
            }
            if !Task.isCancelled { try? await Task.sleep(for: backoff.next()) }
        }
    }

    private func lead(
        _ leadership: LeaderElection.Leadership, _ listener: DoorbellListener, _ mailbox: RelayMailbox
    ) async {
        let term = leadership.term
        logger.notice(
            "This relay is the leader.",
            metadata: ["term": "\(term.number)", "by": "\(leadership.mode == .lease ? "lease" : "backend")"])
        status.update { $0.isLeader = true }
        metrics.leader.record(1)
        observe(.becameLeader(term: term.number))

        let reason = await makeLeader(leadership, mailbox).lead(listener: listener)

        status.setOldestUnpublished(nil)
        status.update { $0.isLeader = false }
        metrics.leader.record(0)
        metrics.lagSeconds.record(0)
        metrics.pending.record(0)
        metrics.parkedNow.record(0)
        metrics.replayJobs.record(0)
        metrics.escalationsWaiting.record(0)
        metrics.escalationRulesBlocked.record(0)
        logger.notice(
            "This relay is no longer the leader.", metadata: ["term": "\(term.number)", "reason": "\(reason)"])
        observe(.steppedDown(reason))
    }

    private func makeLeader(_ leadership: LeaderElection.Leadership, _ mailbox: RelayMailbox) -> RelayLeader {
        let limits = configuration.limits
        let trace = RelayTrace(recorder: trace, term: leadership.term.number)
        let publisher = RelayPublisher(bus: bus, store: store, limits: limits, logger: logger, trace: trace)
        let housekeeping = RelayHousekeeping(
            store: store, publisher: publisher, limits: limits, status: status, metrics: metrics, logger: logger,
            observe: observe, onRelease: { mailbox.rang() })
        let retention = RelayRetention(
            policy: configuration.retention, store: store, status: status, metrics: metrics, logger: logger,
            observe: observe)
        return RelayLeader(
            leadership: leadership, installation: configuration.installation, publisher: publisher,
            housekeeping: housekeeping, retention: retention,
            replayJobs: RelayReplayJobs(
                store: store, term: leadership.term.number, metrics: metrics, logger: logger, observe: observe),
            escalations: RelayEscalations(
                policy: configuration.escalation, installation: configuration.installation, store: store,
                term: leadership.term.number, metrics: metrics, logger: logger, observe: observe),
            mailbox: mailbox, limits: limits, status: status, metrics: metrics, trace: trace,
            logger: logger, observe: observe)
    }
}
