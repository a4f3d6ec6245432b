import BelfryModel
import Bus
import Logging
import Outbox
import Postgres
import Synchronization

/// One term of leadership: the loop that runs the machine's actions, signs of life, and housekeeping.
struct RelayLeader: Sendable {
    /// Between two empty reads of a relay that is not asleep.
    private static let lingerPause: Duration = .milliseconds(1)
    /// Between two reads of which each finds something.
    private static let gatherPause: Duration = .milliseconds(3)

    let leadership: LeaderElection.Leadership
    /// Whose messages these are, in envelopes.
    let installation: UniqueID
    let publisher: RelayPublisher
    let housekeeping: RelayHousekeeping
    let retention: RelayRetention
    let replayJobs: RelayReplayJobs
    let escalations: RelayEscalations
    let mailbox: RelayMailbox
    let limits: Limits
    let status: RelayStatus
    let metrics: RelayMetrics
    let trace: RelayTrace
    let logger: Logger
    let observe: @Sendable (RelayEvent) -> Void

    private var store: RelayStore { leadership.store }
    private var term: Int64 { leadership.term.number }

    /// Leads until something ends it, and closes the leader's connection.
    ///
    /// - Parameter listener: says whether rings can be heard; on a direct connection the leader takes its place.
    func lead(listener: DoorbellListener) async -> StepDownReason {
        _ = mailbox.take()
        leadership.connection.whenEnded { [mailbox, term] _ in mailbox.connectionLost(term: term) }
        if leadership.mode == .direct {
            do throws(PostgresError) {
                try await takePlace(of: listener)
            } catch {
                logger.warning("The relay steps down, as it cannot listen for notifications: \(error)")
                await leadership.connection.close()
                return .postgresFailed
            }
        }
        defer { listener.setLeaderListening(false) }
        let reason = await withTaskGroup(of: StepDownReason?.self) { group in
            // On the thread of the connection that it asks: a change of threads costs more than a small read.
            group.addTask(executorPreference: leadership.connection.taskExecutor) {
                await loop(isListening: listener.isListening == true)
            }
            group.addTask { await beat(listener) }
            group.addTask {
                await housekeeping.run()
                return nil
            }
            group.addTask {
                await retention.run()
                return nil
            }
            group.addTask {
                await replayJobs.run()
                return nil
            }
            group.addTask {
                await escalations.run()
                return nil
            }
            var reason: StepDownReason?
            while reason == nil, let ended = await group.next() { reason = ended }
            group.cancelAll()
            return reason ?? .stopped
        }
        if reason == .stopped {
            // Writers need not ring while nobody listens, and the next relay need not wait. It would go without either.
            _ = try? await store.setDoorbell(.awake, term: term)
            try? await store.resign(term: term)
        }
        await leadership.connection.close()
        return reason
    }

    /// Listens on the leader's own connection, known to be direct: before the doorbell is next armed, so that nothing
    /// that rings after it goes unheard.
    private func takePlace(of listener: DoorbellListener) async throws(PostgresError) {
        try await leadership.connection.listen(to: Doorbell.channel) { _, payload in listener.heard(payload) }
        listener.setLeaderListening(true)
    }

    // MARK: the loop

    private func loop(isListening: Bool) async -> StepDownReason {
        do throws(PostgresError) {
            return try await run(isListening: isListening)
        } catch {
            logger.warning("The relay steps down, as a statement failed: \(error)")
            return .postgresFailed
        }
    }

    private func run(isListening: Bool) async throws(PostgresError) -> StepDownReason {
        guard let cursor = try await startingPoint() else { return .superseded }
        let origin = Envelope.Origin(
            installation: installation, incarnation: try await store.incarnation(), term: term)
        var machine = RelayMachine()
        var work = Work()
        var action = machine.elected(cursor: cursor, isListening: isListening)
        while true {
            let interruption = deliver(to: &machine)
            if interruption != .none { action = interruption }
            switch action {
            case .read(let cursor):
                let page = try await read(cursor, &work)
                if page.serverWasReset { return .serverWasReset }
                work.page = page
                work.readAt = .now
                action = machine.pageRead(noteRead(page))
            case .publish:
                guard let page = work.page else { return .postgresFailed }
                work.ahead = machine.readAhead.map(readAhead)
                action = await publish(page, from: origin, &work) ? machine.published() : machine.busFailed()
            case .advance(let cursor):
                let advance = try await store.advance(to: cursor, broadcasts: work.broadcasts, term: term)
                if let advance { noteAdvance(cursor, advance) }
                action = advance != nil ? machine.advanced() : machine.superseded()
            case .setDoorbell(let doorbell):
                let isOurs = try await store.setDoorbell(doorbell, term: term)
                action = isOurs ? machine.doorbellSet() : machine.superseded()
            case .takeTransactionID:
                action = machine.transactionIDTaken(try await store.takeTransactionID())
            case .wait(let pause):
                action = await wait(pause, &machine, &work)
            case .stepDown(let reason):
                return reason
            case .none:
                // No event that answers an action leads here; a moment's pause keeps a mistake from spinning.
                action = await wait(.poll, &machine, &work)
            }
        }
    }

    /// Where to read from; in another cluster only after every row was stamped anew. `nil` when another relay leads.
    private func startingPoint() async throws(PostgresError) -> RelayCursor? {
        guard leadership.term.mustStartOver else { return leadership.term.cursor }
        logger.notice("The cursor came from another PostgreSQL cluster: all of the outbox is published again.")
        guard let cursor = try await store.startOver(term: term) else { return nil }
        observe(.startedOver)
        return cursor
    }

    /// The page after the cursor, which may have been asked for while the one before was published.
    private func read(_ cursor: RelayCursor, _ work: inout Work) async throws(PostgresError) -> RelayPage {
        defer { work.ahead = nil }
        guard let ahead = work.ahead, ahead.cursor == cursor else { return try await store.page(after: cursor) }
        return try await ahead.page.value.get()
    }

    /// Asks for a page before its turn. The statements of the loop run in the order in which they were asked for, so
    /// the cursor is advanced over the page before once this one is read; nothing of it is published earlier.
    private func readAhead(_ cursor: RelayCursor) -> Work.Ahead {
        let page = Task { () -> Result<RelayPage, PostgresError> in
            do throws(PostgresError) {
                return .success(try await store.page(after: cursor))
            } catch {
                return .failure(error)
            }
        }
        return Work.Ahead(cursor: cursor, page: page)
    }

    /// What the loop keeps between two actions.
    private struct Work: Sendable {
        /// A page that is being read while the one before it is published.
        struct Ahead: Sendable {
            let cursor: RelayCursor
            let page: Task<Result<RelayPage, PostgresError>, Never>
        }

        var page: RelayPage?
        var ahead: Ahead?
        var readAt = ContinuousClock.now
        var broadcasts: [MessageID] = []
        var busBackoff = Backoff(first: .milliseconds(50), limit: .seconds(1))
    }

    private func wait(_ pause: RelayMachine.Pause, _ machine: inout RelayMachine, _ work: inout Work) async
        -> RelayMachine.Action
    {
        let limit: Duration =
            switch pause {
            case .linger: Self.lingerPause
            case .gather: Self.gatherPause
            case .settle(let duration): duration
            case .poll: limits.pollInterval
            case .asleep: limits.safetyPollInterval
            case .bus: work.busBackoff.next()
            }
        if pause == .asleep { observe(.slept) }
        let deadline = ContinuousClock.now + limit
        while true {
            let left = ContinuousClock.now.duration(to: deadline)
            if left <= .zero {
                if pause == .asleep { observe(.woke(.safetyPoll)) }
                return machine.waitEnded()
            }
            await mailbox.wait(upTo: left)
            if Task.isCancelled { return machine.stopped() }
            let action = deliver(to: &machine, isAsleep: pause == .asleep)
            if action != .none { return action }
        }
    }

    /// Tells the machine what other threads had to say. At most one of the answers is an action: after it the machine
    /// is busy and only takes note.
    private func deliver(to machine: inout RelayMachine, isAsleep: Bool = false) -> RelayMachine.Action {
        var action = RelayMachine.Action.none
        func note(_ answer: RelayMachine.Action, _ reason: WakeReason) {
            guard answer != .none, action == .none else { return }
            action = answer
            if isAsleep { observe(.woke(reason)) }
        }
        let contents = mailbox.take()
        if contents.lostTerm == term { return .stepDown(.postgresFailed) }
        if contents.isStopping || Task.isCancelled { action = machine.stopped() }
        if let isListening = contents.isListening {
            note(machine.listeningChanged(isListening), .listeningChanged)
        }
        if contents.foundAwake { note(machine.doorbellFoundAwake(), .doorbellFoundAwake) }
        if contents.hasRung { note(machine.rang(), .rung) }
        return action
    }

    // MARK: pages

    private func noteRead(_ page: RelayPage) -> RelayMachine.PageRead {
        if let first = page.rows.first(where: { page.isReady($0) }) {
            status.setOldestUnpublished(.now - .milliseconds(page.ageMilliseconds(first)))
        }
        if page.rows.contains(where: { !page.isReady($0) }) { housekeeping.signal.signal() }
        let last = page.rows.last
        return RelayMachine.PageRead(
            rows: page.rows.count, lastXID: last.map { page.xid($0) } ?? 0,
            lastMessageID: last.map { page.messageID($0).rawValue } ?? 0, isLast: page.isLast, target: page.target,
            oldestRunning: page.oldestRunning, transactions: page.transactionCount,
            at: Self.clockStart.duration(to: .now))
    }

    private static let clockStart = ContinuousClock.now

    private func noteAdvance(_ cursor: RelayCursor, _ advance: Advance) {
        if advance == .withoutSomeBroadcasts { housekeeping.hasUnnotedBroadcasts.store(true, ordering: .relaxed) }
        if cursor.step == nil { status.setOldestUnpublished(nil) }
        observe(.advanced)
    }

    /// Returns false when the bus is away.
    private func publish(
        _ page: RelayPage, from origin: Envelope.Origin, _ work: inout Work
    ) async -> Bool {
        switch await publisher.publish(page, from: origin) {
        case .unavailable(let error):
            if status.snapshot.isBusAvailable {
                logger.warning("The bus does not accept messages; the relay keeps trying: \(error)")
            }
            status.update { $0.isBusAvailable = false }
            observe(.busUnavailable)
            return false
        case .published(let outcome):
            work.busBackoff.reset()
            work.broadcasts = outcome.broadcasts
            notePublished(outcome, page, work.readAt)
            return true
        }
    }

    private func notePublished(
        _ outcome: RelayPublisher.PublishedPage, _ page: RelayPage, _ readAt: ContinuousClock.Instant
    ) {
        if outcome.parked > 0 {
            metrics.parked.increment(by: outcome.parked)
            observe(.parked(count: outcome.parked))
        }
        guard !outcome.rows.isEmpty else { return }
        let now = ContinuousClock.now
        let sinceRead = readAt.duration(to: now)
        for row in outcome.rows {
            let age = sinceRead + .milliseconds(page.ageMilliseconds(row))
            metrics.publishSeconds.record(duration: age)
            trace.published(row, of: page, readAt: readAt, at: now, age: age)
        }
        metrics.published.increment(by: outcome.rows.count)
        if !status.snapshot.isBusAvailable { logger.info("The bus accepts messages again.") }
        status.update { $0.isBusAvailable = true }
        observe(.published(count: outcome.rows.count))
    }

    // MARK: signs of life

    /// Renews the leader's sign of life, on another connection than the loop's: a leader whose statement takes long is
    /// not silent. The loop's own connection is watched for its end. A term won by lease is made fast by its backend
    /// once the connection is known to be direct.
    private func beat(_ listener: DoorbellListener) async -> StepDownReason? {
        var isByLease = leadership.mode == .lease
        var hasFailed = false
        while !Task.isCancelled {
            do {
                if isByLease, listener.isListening == true {
                    guard try await leadership.becomeDirect() else { return .superseded }
                    isByLease = false
                    try await takePlace(of: listener)
                }
                guard let beat = try await store.beat(term: term) else { return .superseded }
                if beat.serverWasReset { return .serverWasReset }
                if beat.doorbell == .awake { mailbox.doorbellFoundAwake() }
                hasFailed = false
            } catch {
                if Task.isCancelled { return nil }
                // Who can't be heard is superseded in time; the loop notices by its term.
                if !hasFailed { logger.warning("The leader's heart-beat could not be written: \(error)") }
                hasFailed = true
            }
            // Others wait for two seconds of silence before they take over a lease.
            try? await Task.sleep(for: isByLease ? .milliseconds(500) : .seconds(1))
        }
        return nil
    }
}
