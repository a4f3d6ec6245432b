import BelfryModel
import NIOCore
import Outbox
import Postgres
import STOMP

/// Delivery marks on their way to PostgreSQL: gathered for a few milliseconds, written in one statement of each kind, and
/// tried again until they are committed.
extension Shard {
    /// The pause before what another transaction held is tried again.
    private static let heldPause = TimeAmount.milliseconds(100)

    /// A client has acknowledged these (or, in mode `auto`, the socket took them).
    func acknowledged(_ entries: [AckLedger.Entry], on delivery: Delivery) {
        guard !entries.isEmpty else { return }
        context.counters.acknowledged(entries.count)
        for entry in entries {
            if delivery.isTopic {
                guard
                    !markedBroadcasts.contains(
                        entry.id, xid: entry.xid, createdAtMicroseconds: entry.createdAtMicroseconds)
                else { continue }
                markedBroadcasts.insert(entry.id, xid: entry.xid, createdAtMicroseconds: entry.createdAtMicroseconds)
            } else {
                recent.insert(entry.id, xid: entry.xid, createdAtMicroseconds: entry.createdAtMicroseconds)
            }
            marks.delivered(DeliveryMark(entry, on: delivery))
        }
        scheduleMarks()
        makeRoom(on: delivery)
    }

    /// A client has refused these: they come again after a delay. A broadcast that one of many refuses stays as it is.
    func refused(_ entries: [AckLedger.Entry], on delivery: Delivery) {
        context.counters.refused(entries.count)
        if !delivery.isTopic {
            for entry in entries {
                recent.insert(entry.id, xid: entry.xid, createdAtMicroseconds: entry.createdAtMicroseconds)
                handedBack.insert(entry.id, xid: entry.xid, createdAtMicroseconds: entry.createdAtMicroseconds)
                marks.refused(DeliveryMark(entry, on: delivery))
            }
            scheduleMarks()
        }
        makeRoom(on: delivery)
    }

    private func makeRoom(on delivery: Delivery) {
        guard delivery.hasRoomAgain(limits) else { return }
        delivery.machine.roomMade()
        wantsPage(delivery)
    }

    /// A subscription ended before these were acknowledged, and its session goes on: they come back marked `redelivered`.
    func handBack(_ entries: [AckLedger.Entry], of session: Session) {
        for entry in entries {
            handedBack.insert(entry.id, xid: entry.xid, createdAtMicroseconds: entry.createdAtMicroseconds)
        }
        giveBack(entries.map(\.id), of: session, endingSession: false)
    }

    /// Runs `done` on this loop once these marks, and all others made so far, have committed; but others whose rows an
    /// application holds are not waited for, unless they are `user`'s.
    func whenMarksCommitted(
        _ ids: [MessageID], user: String? = nil, _ done: @escaping @Sendable (_ isCommitted: Bool) -> Void
    ) {
        marks.whenCommitted(ids, user: user, done: done)
        scheduleMarks()
    }

    func scheduleMarks() {
        if marks.isFull { writeMarks() }
        if !isReadingStopped, marks.pendingCount > limits.marksPendingMax { setReading(false) }
        guard !isMarkScheduled, !marks.isWriting else { return }
        isMarkScheduled = true
        eventLoop.scheduleTask(in: TimeAmount(limits.markInterval)) {
            self.isMarkScheduled = false
            self.writeMarks()
        }
    }

    private func writeMarks() {
        guard marks.begin() else { return settleStopping() }
        marksBegan = .now()
        writeNext()
    }

    /// Runs the statements of the batch in flight one after the other.
    private func writeNext() {
        guard let work = marks.next() else { return batchEnded() }
        let ended: NodeStore.Completion<MarksWritten> = { result in
            self.eventLoop.execute { self.statementEnded(result, work) }
        }
        switch work {
        case .delivered(let marks):
            context.store.markDelivered(marks, carefully: self.marks.hasHeld, completion: ended)
        case .refused(let marks):
            context.store.refuse(marks, delay: limits.nackDelay, nacksMax: limits.nacksMax, completion: ended)
        case .ended(let ends):
            context.store.closeSessions(ends, completion: ended)
        }
    }

    private func statementEnded(_ result: Result<MarksWritten, PostgresError>, _ work: MarkQueue.Work) {
        switch result {
        case .success(let written):
            markBackoff.reset()
            context.counters.wrote(written)
            for id in written.orphans {
                logger.warning("A message that a client refused is gone from the log", metadata: ["message": "\(id)"])
            }
            if case .refused(let marks) = work {
                for mark in marks { recent.forgetIfEarlier(mark.id) }
            }
            marks.committed(leaving: written.held)
            writeNext()
        case .failure(let error) where error.isRefusal:
            context.counters.statementFailed()
            switch marks.refusedByPostgres(isFaultOfItsData: error.isFaultOfItsData) {
            case .goOn: writeNext()
            case .givenUp(let faulty):
                noteGivenUp(faulty, error)
                writeNext()
            case .pause: writeLater(error)
            }
        case .failure(let error):
            context.counters.statementFailed()
            writeLater(error)
        }
    }

    private func writeLater(_ error: PostgresError) {
        logger.warning(
            "Delivery marks could not be written; trying again",
            metadata: ["error": "\(error)", "marks": "\(marks.pendingCount)"])
        eventLoop.scheduleTask(in: TimeAmount(markBackoff.next())) { self.writeNext() }
    }

    private func noteGivenUp(_ faulty: MarkQueue.Work, _ error: PostgresError) {
        context.counters.markGivenUp()
        let what =
            switch faulty {
            case .delivered(let marks): "delivered \(marks.map(\.id.description).joined(separator: ","))"
            case .refused(let marks): "refused \(marks.map(\.id.description).joined(separator: ","))"
            case .ended(let ends):
                "redelivered \(ends.flatMap(\.unacknowledged).map(\.description).joined(separator: ","))"
            }
        logger.error(
            "PostgreSQL refuses a delivery mark for good; it is given up, and its message comes again",
            metadata: ["mark": "\(what)", "error": "\(error)"])
    }

    private func batchEnded() {
        let settled = marks.batchEnded()
        marksBegan = nil
        for (waiter, isCommitted) in settled { waiter.done(isCommitted) }
        if isReadingStopped, marks.pendingCount < limits.marksPendingMax / 2 { setReading(true) }
        flushTouched()
        retryHeldLater()
        if marks.isEmpty { settleStopping() } else { writeMarks() }
    }

    private func retryHeldLater() {
        guard marks.hasHeld, !isHeldRetryScheduled else { return }
        isHeldRetryScheduled = true
        eventLoop.scheduleTask(in: Self.heldPause) {
            self.isHeldRetryScheduled = false
            self.marks.retryHeld()
            // One that is under way takes them along with what it is followed by.
            if !self.marks.isWriting { self.writeMarks() }
        }
    }

    /// Reads from clients only as long as their ACKs find room.
    private func setReading(_ isReading: Bool) {
        isReadingStopped = !isReading
        for session in Array(sessions.values) { session.loopReadingChanged() }
    }
}

extension DeliveryMark {
    init(_ entry: AckLedger.Entry, on delivery: Delivery) {
        self.init(
            id: entry.id, receiver: delivery.isTopic ? "" : delivery.session.user ?? "", xid: entry.xid,
            createdAtMicroseconds: entry.createdAtMicroseconds)
    }
}
