import BelfryModel
import Logging
import Outbox
import Postgres
import Webhooks

/// What the leader does about messages that are not delivered: it finds those that are overdue by a rule, and tells the
/// application by webhooks. It runs beside the loop, which waits for nothing of it, and goes on where the leader before
/// stopped, as all that it knows stands in PostgreSQL.
struct RelayEscalations: Sendable {
    /// Between two looks for rules and for what is overdue.
    private static let interval: Duration = .seconds(1)
    private static let countInterval: Duration = .seconds(10)
    /// After a look that found more to look at: as long as it took, so that PostgreSQL is left half of the time.
    private static let pauseMin: Duration = .milliseconds(5)
    /// Rows of the outbox that one look reads.
    private static let rowsMax = 2_000
    /// Webhooks of a rule that wait to be sent, from which on no more are found: what is delivered meanwhile is never
    /// written.
    private static let waitingMax = 5_000
    private static let marksMax = 500
    /// A second apart.
    private static let noteTriesMax = 60
    private static let markPause: Duration = .milliseconds(1_100)
    /// How much longer than a try nobody else gets the same webhook.
    private static let leaseMargin: Duration = .seconds(10)

    let policy: EscalationPolicy
    let installation: UniqueID
    /// On other connections than the loop's.
    let store: RelayStore
    let term: Int64
    let metrics: RelayMetrics
    let logger: Logger
    let observe: @Sendable (RelayEvent) -> Void

    /// Runs until the task is cancelled, or another relay leads.
    func run() async {
        let office = EscalationOffice(policy: policy, installation: installation)
        var work = Work()
        while !Task.isCancelled, !work.isDeposed {
            let pause = await pass(&work, office)
            _ = await office.signal.wait(upTo: pause)
        }
        // What the application accepts need not be sent again by the next leader: not even when PostgreSQL has gone,
        // and comes back within the minute. Nobody waits for that.
        let isDone = await Task { await finish(office, tries: 1) }.value
        if !isDone { Task { await finish(office, tries: Self.noteTriesMax) } }
    }

    /// Notes what the application accepts of what is under way. Returns whether that was all.
    private func finish(_ office: EscalationOffice, tries: Int) async -> Bool {
        for number in 1...tries {
            if number > 1 { try? await Task.sleep(for: Self.interval) }
            let ended = office.takeResults().filter { $0.result.outcome == .sent }
            do throws(PostgresError) {
                if !ended.isEmpty {
                    let held = Set(try await store.settleEscalations(ended.map(\.result), term: term))
                    office.putBack(ended.filter { held.contains($0.result.messageID) })
                }
            } catch {
                office.putBack(ended)
            }
            guard !office.isDone else {
                await office.close()
                return true
            }
        }
        if tries > 1 { await office.close() }
        return false
    }

    /// What is kept between two passes.
    private struct Work: Sendable {
        var orders: [EscalationOrder] = []
        var nextLook = ContinuousClock.now
        var nextCount = ContinuousClock.now
        /// When messages are to be marked; what the leader before left is not known.
        var nextMark: ContinuousClock.Instant? = .now
        /// When those are that somebody held.
        var heldMark: ContinuousClock.Instant?
        var isDeposed = false
        var hasFailed = false
        /// Types of which the last claim got all that it asked for, or that were looked at since.
        var mayWait: Set<String> = []
        private var turn = 0

        /// The orders, beginning with another one each time.
        mutating func rotated() -> [EscalationOrder] {
            guard !orders.isEmpty else { return [] }
            turn = (turn + 1) % orders.count
            return Array(orders[turn...] + orders[..<turn])
        }
    }

    /// Settles, marks, looks and sends. Returns the pause until the next pass, if nothing ends before.
    private func pass(_ work: inout Work, _ office: EscalationOffice) async -> Duration {
        var failure: PostgresError?
        await attempt(&failure) { () async throws(PostgresError) in try await settle(&work, office) }
        if let nextMark = work.nextMark, ContinuousClock.now >= nextMark {
            await attempt(&failure) { () async throws(PostgresError) in try await mark(&work) }
        }
        var pause = Self.interval
        if ContinuousClock.now >= work.nextLook {
            await attempt(&failure) { () async throws(PostgresError) in
                work.orders = office.sort(try await store.escalationOrders())
            }
            pause = min(pause, await look(&work, office, &failure))
            work.nextLook = .now + pause
        }
        pause = min(pause, max(.zero, ContinuousClock.now.duration(to: work.nextLook)))
        // By turns: a server that takes one at a time would be all the first one's.
        for order in work.rotated() where work.mayWait.contains(order.type) {
            await attempt(&failure) { () async throws(PostgresError) in try await send(order, &work, office) }
        }
        if ContinuousClock.now >= work.nextCount {
            await attempt(&failure) { () async throws(PostgresError) in
                metrics.escalationsWaiting.record(work.orders.isEmpty ? 0 : try await store.waitingEscalations())
            }
            work.nextMark = .now
            work.nextCount = .now + Self.countInterval
        }
        tell(failure, &work)
        return failure == nil ? pause : Self.interval
    }

    private func tell(_ failure: PostgresError?, _ work: inout Work) {
        if let failure, !work.hasFailed {
            logger.warning("Escalations failed and will be tried again: \(failure)")
        }
        work.hasFailed = failure != nil
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

    private func settle(_ work: inout Work, _ office: EscalationOffice) async throws(PostgresError) {
        let ended = office.takeResults()
        guard !ended.isEmpty else { return }
        let results = ended.map(\.result)
        do throws(PostgresError) {
            let held = Set(try await store.settleEscalations(results, term: term))
            let (again, settled) = (
                ended.filter { held.contains($0.result.messageID) },
                ended.filter { !held.contains($0.result.messageID) }
            )
            // What somebody holds is noted when they have let go.
            office.putBack(again)
            office.noted(settled)
            for entry in settled { note(entry.result) }
            if settled.contains(where: { $0.result.outcome == .sent }) { work.nextMark = .now }
        } catch {
            office.putBack(ended)
            throw error
        }
    }

    private func note(_ result: EscalationResult) {
        switch result.outcome {
        case .sent:
            metrics.escalationsSent.increment()
            observe(.escalated(result.messageID))
        case .again:
            metrics.escalationFailures.increment()
            observe(.escalationFailed(result.messageID, isGivenUp: false))
        case .failed, .gone:
            metrics.escalationFailures.increment()
            metrics.escalationsGivenUp.increment()
            observe(.escalationFailed(result.messageID, isGivenUp: true))
            logger.warning(
                "A webhook is given up; belfry escalations retry sends it after all.",
                metadata: ["message": "\(result.messageID)", "reason": "\(result.error ?? "")"])
        }
    }

    private func mark(_ work: inout Work) async throws(PostgresError) {
        let began = ContinuousClock.now
        let (marked, held) = try await store.markEscalated(rows: Self.marksMax)
        // Those that are held are not looked at again within a second.
        if held > 0 {
            work.heldMark = began + Self.markPause
        } else if let heldMark = work.heldMark, heldMark <= began {
            work.heldMark = nil
        }
        work.nextMark = marked + held == Self.marksMax ? .now : work.heldMark
        if marked > 0 { observe(.markedEscalated(count: marked)) }
    }

    /// Returns the pause until the next look.
    private func look(
        _ work: inout Work, _ office: EscalationOffice, _ failure: inout PostgresError?
    ) async -> Duration {
        let began = ContinuousClock.now
        var hasMore = false
        metrics.escalationRulesBlocked.record(work.orders.count { office.problem(of: $0) != nil })
        work.mayWait = []
        for order in work.orders where !Task.isCancelled {
            let problem = office.problem(of: order)
            if problem != order.problem {
                await attempt(&failure) { () async throws(PostgresError) in
                    try await store.noteProblem(problem, of: order, term: term)
                }
                if let problem {
                    logger.warning("Nothing is escalated: \(problem)", metadata: ["type": "\(order.type)"])
                }
            }
            guard problem == nil else { continue }
            work.mayWait.insert(order.type)
            await attempt(&failure) { () async throws(PostgresError) in
                let look = try await store.findOverdue(
                    order.type, term: term, rows: Self.rowsMax, waitingMax: Self.waitingMax)
                if look.overdue > 0 { observe(.foundOverdue(count: look.overdue)) }
                switch look.outcome {
                case .deposed: work.isDeposed = true
                case .moved: hasMore = true
                case .done, .full, .gone: break
                }
            }
        }
        return hasMore ? max(Self.pauseMin, began.duration(to: .now)) : Self.interval
    }

    private func send(
        _ order: EscalationOrder, _ work: inout Work, _ office: EscalationOffice
    ) async throws(PostgresError) {
        while !Task.isCancelled, let room = office.room(for: order) {
            let lease = policy.timeout + Self.leaseMargin
            let (claimed, withdrawn) = try await store.claimEscalations(order, term: term, count: room, lease: lease)
            if withdrawn > 0 {
                metrics.escalationsWithdrawn.increment(by: withdrawn)
                observe(.escalationsWithdrawn(count: withdrawn))
            }
            for escalation in claimed {
                observe(.escalating(escalation.messageID))
                office.send(escalation, order, seconds: metrics.escalationSeconds)
            }
            // What has come to an end may have hidden more behind it.
            guard claimed.isEmpty, withdrawn > 0 else {
                if claimed.count < room { work.mayWait.remove(order.type) }
                return
            }
        }
    }
}
