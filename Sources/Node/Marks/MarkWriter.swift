import BelfryModel
import Delivery
import NIOCore
import Outbox
import Postgres

/// An event loop's delivery marks on their way to PostgreSQL: gathered for a few milliseconds, written in one statement
/// of each kind, and tried again until they are committed. Runs the statements of `MarkQueue`. Used on its event loop
/// only.
final class MarkWriter: UncommittedMarks, @unchecked Sendable {
    /// The pause before what another transaction held is tried again.
    private static let heldPause = TimeAmount.milliseconds(100)
    /// Broadcasts whose first acknowledgement is remembered, and for how long: one of many costs a mark once. Twice the
    /// time that a broadcast stays in the outbox.
    private static let markedBroadcastsMax = 100_000
    private static let markedBroadcastsLifetime = TimeAmount.seconds(120)

    private let eventLoop: any EventLoop
    private let context: NodeContext
    private let flushQueue: FlushQueue
    private let followed: FollowedMessages
    private var queue: MarkQueue
    /// Topics' messages that this loop has marked delivered already.
    private var markedBroadcasts: RecentMessages
    /// Whether `queue` holds marks, asked for each message.
    private var holdsMarks = false
    private var isWriteScheduled = false
    private var isHeldRetryScheduled = false
    private var backoff = Backoff(first: .milliseconds(50), limit: .seconds(2))
    /// So many marks wait that no more acknowledgements are to be read.
    private(set) var isOverfull = false

    /// The next copies of messages that were refused are no repeats.
    var onRefusalCommit: (MessageID) -> Void = { _ in }
    /// `isOverfull` has changed.
    var onPressureChange: () -> Void = {}
    /// Nothing is left to be written.
    var onEmpty: () -> Void = {}

    init(eventLoop: any EventLoop, context: NodeContext, flushQueue: FlushQueue, followed: FollowedMessages) {
        self.eventLoop = eventLoop
        self.context = context
        self.flushQueue = flushQueue
        self.followed = followed
        self.queue = MarkQueue(marksMax: context.limits.marksMax)
        self.markedBroadcasts = RecentMessages(
            entriesMax: Self.markedBroadcastsMax, lifetime: Self.markedBroadcastsLifetime, now: .now())
    }

    var isEmpty: Bool { queue.isEmpty }
    var pendingCount: Int { queue.pendingCount }

    // MARK: UncommittedMarks

    var pending: PendingMarks { queue.pending }
    func holdsAnswer(_ id: MessageID, createdAtMicroseconds: Int64?) -> Bool {
        holdsMarks && queue.holdsAnswer(id, createdAtMicroseconds: createdAtMicroseconds)
    }
    func holdsGivenBack(_ id: MessageID) -> Bool { holdsMarks && queue.holdsGivenBack(id) }

    // MARK: Gathering

    /// A client has acknowledged these or, in mode `auto`, the socket took them.
    func acknowledged(_ stamps: [MessageStamp], on consumer: Consumer) {
        context.metrics.acknowledged(stamps.count)
        for stamp in stamps {
            if consumer.isTopic {
                guard !markedBroadcasts.contains(stamp) else { continue }
                markedBroadcasts.insert(stamp)
            }
            queue.delivered(DeliveryMark(stamp, receiver: consumer.receiver))
        }
        scheduleWrite()
    }

    /// A client has refused these: they come again after a delay. A broadcast that one of many refuses stays as it is.
    func refused(_ stamps: [MessageStamp], on consumer: Consumer) {
        context.metrics.refused(stamps.count)
        guard !consumer.isTopic else { return }
        for stamp in stamps { queue.refused(DeliveryMark(stamp, receiver: consumer.receiver)) }
        scheduleWrite()
    }

    /// What a session, or a subscription of it, had not acknowledged comes back marked `redelivered`.
    func ended(_ end: SessionEnd) {
        queue.ended(end)
        scheduleWrite()
    }

    /// Runs `done` on the event loop once these marks, and all others made so far, have committed; but others whose
    /// rows an application holds are not waited for, unless they are `user`'s. Not at all once `session` has ended.
    func whenCommitted(
        _ ids: [MessageID], user: String? = nil, for session: Session,
        _ done: @escaping @Sendable (_ isCommitted: Bool) -> Void
    ) {
        queue.whenCommitted(ids, user: user, isWanted: { !session.isEnded }, done: done)
        scheduleWrite()
    }

    /// Time has passed.
    func tick(at now: NIODeadline) { markedBroadcasts.tick(at: now) }

    /// PostgreSQL came back as another incarnation: a mark may have been lost.
    func incarnationChanged() {
        markedBroadcasts.incarnationChanged()
        markedBroadcasts.forgetEarlierIncarnations()
    }

    // MARK: Writing

    /// Writes what was gathered, soon.
    func scheduleWrite() {
        if queue.isFull { write() }
        if !isOverfull, queue.pendingCount > context.limits.marksPendingMax { setOverfull(true) }
        guard !isWriteScheduled, !queue.isWriting else { return }
        isWriteScheduled = true
        eventLoop.scheduleTask(in: TimeAmount(context.limits.markInterval)) {
            self.isWriteScheduled = false
            self.write()
        }
    }

    private func write() {
        if queue.begin() { writeNext() } else if queue.isEmpty { onEmpty() }
    }

    /// Runs the statements of the batch in flight one after the other.
    private func writeNext() {
        guard let work = queue.next() else { return batchEnded() }
        let ended = eventLoop.bringingBack { self.statementEnded($0, work) }
        switch work {
        case .delivered(let marks):
            context.store.markDelivered(marks, carefully: queue.hasHeld, completion: ended)
        case .refused(let marks):
            context.store.refuse(
                marks, delay: context.limits.nackDelay, nacksMax: context.limits.nacksMax, completion: ended)
        case .ended(let ends):
            context.store.closeSessions(ends, completion: ended)
        }
    }

    private func statementEnded(_ answer: Result<MarksWritten, PostgresError>, _ work: MarkQueue.Work) {
        settle(answer, work)
        holdsMarks = queue.holdsMarks
    }

    private func settle(_ answer: Result<MarksWritten, PostgresError>, _ work: MarkQueue.Work) {
        switch answer {
        case .success(let written):
            backoff.reset()
            context.metrics.wrote(written)
            noteHops(written, work)
            for id in written.orphans {
                context.logger.warning(
                    "A message that a client refused is gone from the log", metadata: ["message": "\(id)"])
            }
            if case .refused(let marks) = work { for mark in marks { onRefusalCommit(mark.id) } }
            queue.committed(leaving: written.held)
            writeNext()
        case .failure(let error) where error.isRefusal:
            context.metrics.statementFailed()
            switch queue.refusedByPostgres(isFaultOfItsData: error.isFaultOfItsData) {
            case .goOn: writeNext()
            case .givenUp(let faulty):
                noteGivenUp(faulty, error)
                writeNext()
            case .pause: writeLater(error)
            }
        case .failure(let error):
            context.metrics.statementFailed()
            writeLater(error)
        }
    }

    private func noteHops(_ written: MarksWritten, _ work: MarkQueue.Work) {
        if case .delivered(let marks) = work { followed.marked(marks.lazy.map(\.id), except: written.held) }
        followed.parked(written.parked)
    }

    private func writeLater(_ error: PostgresError) {
        context.logger.warning(
            "Delivery marks could not be written; trying again",
            metadata: ["error": "\(error)", "marks": "\(queue.pendingCount)"])
        eventLoop.scheduleTask(in: TimeAmount(backoff.next())) { self.writeNext() }
    }

    private func noteGivenUp(_ faulty: MarkQueue.Work, _ error: PostgresError) {
        context.metrics.markGivenUp()
        let what =
            switch faulty {
            case .delivered(let marks): "delivered \(marks.map(\.id.description).joined(separator: ","))"
            case .refused(let marks): "refused \(marks.map(\.id.description).joined(separator: ","))"
            case .ended(let ends):
                "redelivered \(ends.flatMap(\.unacknowledged).map(\.description).joined(separator: ","))"
            }
        context.logger.error(
            "PostgreSQL refuses a delivery mark for good; it is given up, and its message comes again",
            metadata: ["mark": "\(what)", "error": "\(error)"])
    }

    private func batchEnded() {
        for (waiter, isCommitted) in queue.batchEnded() { waiter.done(isCommitted) }
        if isOverfull, queue.pendingCount < context.limits.marksPendingMax / 2 { setOverfull(false) }
        flushQueue.flush()
        retryHeldLater()
        if queue.isEmpty { onEmpty() } else { write() }
    }

    private func retryHeldLater() {
        guard queue.hasHeld, !isHeldRetryScheduled else { return }
        isHeldRetryScheduled = true
        eventLoop.scheduleTask(in: Self.heldPause) {
            self.isHeldRetryScheduled = false
            self.queue.retryHeld()
            // One that is under way takes them along with what it is followed by.
            if !self.queue.isWriting { self.write() }
        }
    }

    private func setOverfull(_ isOverfull: Bool) {
        self.isOverfull = isOverfull
        onPressureChange()
    }
}
