import BelfryModel
import Delivery
import NIOCore
import Outbox
import Postgres

/// Reads the backlogs of an event loop's users: one statement at a time for many consumers; who comes while it runs
/// shares the next one. The rows of their sessions are written with it. Used on its event loop only.
///
/// Those who are to be told how much is unread are read by statements of their own, in turn with the others', so that
/// nobody else pays for their counts, or waits longer than for one such statement when a count is not to be had.
final class BacklogReader: @unchecked Sendable {
    /// Consumers served by one statement.
    private static let readsMax = 64
    /// The same of one that counts, which takes about a millisecond for each.
    private static let countsMax = 16

    private typealias Read = (consumer: Consumer, page: PageRequest)

    private let eventLoop: any EventLoop
    private let context: NodeContext
    private let origins: OriginCheck
    private let flushQueue: FlushQueue
    private let line: ReaderLine
    /// Those whose next page is to come with a count.
    private let countingLine: ReaderLine
    /// The last statement was for `countingLine`.
    private var hasCounted = false
    private var rows = SessionRows()
    /// When the reading under way was begun; `nil` while none is.
    private(set) var readingSince: NIODeadline?
    private var backoff = Backoff(first: .milliseconds(50), limit: .seconds(2))

    /// What a session leaves that has ended is to be marked.
    var onSessionEnd: (SessionEnd) -> Void = { _ in }

    init(eventLoop: any EventLoop, context: NodeContext, origins: OriginCheck, flushQueue: FlushQueue) {
        self.eventLoop = eventLoop
        self.context = context
        self.origins = origins
        self.flushQueue = flushQueue
        line = ReaderLine(eventLoop: eventLoop)
        countingLine = ReaderLine(eventLoop: eventLoop)
        line.onLook = { [weak self] in self?.read() }
        countingLine.onLook = { [weak self] in self?.read() }
    }

    /// Consumers that wait for a page.
    var waitingCount: Int { line.count + countingLine.count }

    /// Where the session's row in `belfry.session` stands.
    func rowState(of session: SessionID) -> SessionRows.State? { rows.state(of: session) }

    /// The consumer may want a page.
    func wantsPage(_ consumer: Consumer) { (consumer.wantsCount ? countingLine : line).wantsPage(consumer) }

    /// A consumer in line has ended.
    func consumerEnded() {
        // In which it was has changed, perhaps, and each looks for itself who has ended.
        line.consumerEnded()
        countingLine.consumerEnded()
    }

    /// A session has ended.
    func sessionEnded(_ session: SessionID, receiver: String, unacknowledged: [MessageID]) {
        let end = rows.sessionEnded(session, receiver: receiver, unacknowledged: unacknowledged)
        if let end { onSessionEnd(end) }
    }

    /// Others took this node for dead and removed its sessions' rows: they are written again with the next reading.
    func forgotten() { rows.forgotten() }

    // MARK: Reading

    private func read() {
        guard readingSince == nil else { return }
        let batch = nextBatch()
        guard !batch.isEmpty else { return }
        let openings = batch.map(\.consumer).filter { rows.readingBegins($0.session.id) }
        readingSince = .now()
        let reads = batch.map { consumer, page in
            BacklogRead(
                receiver: consumer.receiver, after: page.after, snapshot: page.snapshot, covered: page.covered,
                sessionID: consumer.session.id.description, countsUnread: page.wantsCount)
        }
        let opened = openings.map(\.session.id)
        context.store.readBacklog(
            reads,
            opening: openings.map {
                SessionOpening(sessionID: $0.session.id.description, receiver: $0.receiver)
            },
            rowsMax: context.limits.backlogRowsMax,
            completion: eventLoop.bringingBack { self.answered($0, for: batch, opening: opened) })
    }

    /// Of the two lines the one that was not read last, if anybody waits there.
    private func nextBatch() -> [Read] {
        if !hasCounted, !countingLine.isEmpty {
            let batch = takeBatch(of: countingLine, atMost: Self.countsMax)
            hasCounted = !batch.isEmpty
            if hasCounted { return batch }
        }
        hasCounted = false
        let batch = takeBatch(of: line, atMost: Self.readsMax)
        guard batch.isEmpty, !countingLine.isEmpty else { return batch }
        hasCounted = true
        return takeBatch(of: countingLine, atMost: Self.countsMax)
    }

    /// The next ones in line, one a session at a time, so that one with many subscriptions does not fill the statement.
    private func takeBatch(of line: ReaderLine, atMost readsMax: Int) -> [Read] {
        var batch: [Read] = []
        var sessions: Set<SessionID> = []
        var others: [Consumer] = []
        while batch.count < readsMax, let consumer = line.popFirst() {
            guard !sessions.contains(consumer.session.id) else {
                others.append(consumer)
                continue
            }
            // One that wants no page any more is not in the way of its session's others.
            guard let page = consumer.takeTurn() else { continue }
            sessions.insert(consumer.session.id)
            batch.append((consumer, page))
        }
        line.putBack(others)
        return batch
    }

    private func answered(
        _ answer: Result<BacklogPages, PostgresError>, for batch: [Read], opening openings: [SessionID]
    ) {
        readingSince = nil
        let isWritten = if case .success = answer { true } else { false }
        for end in rows.answered(openings, isWritten: isWritten) { onSessionEnd(end) }
        guard let (pages, snapshot) = origins.usable(answer) else {
            if case .failure(let error) = answer, error.isOfItsStatement { countsFailed(batch, error) }
            return retry(batch.map(\.consumer))
        }
        backoff.reset()
        var row = pages.rows.lowerBound
        for (place, read) in batch.enumerated() {
            let first = row
            while row < pages.rows.upperBound, pages.read(row) == place { row += 1 }
            if read.page.wantsCount {
                read.consumer.countRead(pages.unread(place), under: snapshot, for: read.page)
            }
            read.consumer.pageRead(
                StorePage(
                    pages: pages, rows: first..<row, snapshot: snapshot,
                    isLast: pages.isLast(first..<row, rowsMax: context.limits.backlogRowsMax),
                    allocator: context.allocator),
                for: read.page)
            wantsPage(read.consumer)
        }
        flushQueue.flush()
        line.scheduleLook()
    }

    /// A statement has failed, because it counts perhaps: the others in line need not wait for its next try. Whoever
    /// has waited for a count for too long gets the backlog without.
    private func countsFailed(_ batch: [Read], _ error: PostgresError) {
        guard batch.contains(where: \.page.wantsCount) else { return }
        line.scheduleLook()
        let givenUp = batch.count { $0.page.wantsCount && $0.consumer.countFailed(error) }
        guard givenUp > 0 else { return }
        context.logger.warning(
            "What is unread could not be counted; backlogs are read without",
            metadata: ["subscriptions": "\(givenUp)", "error": "\(error)"])
    }

    private func retry(_ consumers: [Consumer]) {
        for consumer in consumers { consumer.pageFailed() }
        eventLoop.scheduleTask(in: TimeAmount(backoff.next())) {
            for consumer in consumers { self.wantsPage(consumer) }
            // Others queued meanwhile, and these may be queued already or gone.
            self.line.scheduleLook()
        }
    }
}

extension OriginCheck {
    /// The pages of an answer, if they may be handed out: they belong to the incarnation that is known, and this node
    /// lives.
    func usable(_ answer: Result<BacklogPages, PostgresError>) -> (BacklogPages, TransactionSnapshot)? {
        switch answer {
        case .success(let pages):
            guard let snapshot = pages.snapshot, adopt(pages.incarnation), mayDeliver(at: .now()) else { return nil }
            return (pages, snapshot)
        case .failure(let error):
            noteFailure(error)
            return nil
        }
    }
}
