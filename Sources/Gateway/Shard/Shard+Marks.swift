import BelfryModel
import NIOCore
import Outbox
import Postgres
import STOMP

/// Delivery marks on their way to PostgreSQL: gathered for a few milliseconds, written in one statement of each kind, and
/// tried again until they are committed.
extension Shard {
    /// A client has acknowledged these (or, in mode `auto`, the socket took them).
    func acknowledged(_ entries: [AckLedger.Entry], on delivery: Delivery) {
        guard !entries.isEmpty else { return }
        context.counters.acknowledged(entries.count)
        for entry in entries {
            if delivery.isTopic {
                guard !markedBroadcasts.contains(entry.id, xid: entry.xid) else { continue }
                markedBroadcasts.insert(entry.id, xid: entry.xid)
            } else {
                recent.insert(entry.id, xid: entry.xid)
            }
            marks.delivered(entry.id)
        }
        scheduleMarks()
        if delivery.hasRoomAgain(limits) {
            delivery.machine.roomMade()
            wantsPage(delivery)
        }
    }

    /// A client has refused these: they come again after a delay. A broadcast that one of many refuses stays as it is.
    func refused(_ entries: [AckLedger.Entry], on delivery: Delivery) {
        context.counters.refused(entries.count)
        if !delivery.isTopic {
            for entry in entries {
                recent.insert(entry.id, xid: entry.xid)
                marks.refused(entry.id)
            }
            scheduleMarks()
        }
        if delivery.hasRoomAgain(limits) {
            delivery.machine.roomMade()
            wantsPage(delivery)
        }
    }

    /// A subscription ended before these were acknowledged: they come back marked `redelivered`.
    func giveBack(_ entries: [AckLedger.Entry]) {
        guard !entries.isEmpty else { return }
        marks.givenBack(entries.map(\.id))
        scheduleMarks()
    }

    /// Runs `body` on this loop once every mark made so far has committed.
    func whenMarksCommitted(_ body: @escaping @Sendable () -> Void) {
        marks.whenCommitted(body)
        scheduleMarks()
    }

    func scheduleMarks() {
        if marks.isFull { writeMarks() }
        if !isReadingStopped, marks.pendingCount > limits.marksPendingMax { setReading(false) }
        guard !isMarkScheduled, marks.inFlight == nil else { return }
        isMarkScheduled = true
        eventLoop.scheduleTask(in: TimeAmount(limits.markInterval)) {
            self.isMarkScheduled = false
            self.writeMarks()
        }
    }

    private func writeMarks() {
        guard marks.begin() else { return settleStopping() }
        marksBegan = .now()
        run(.delivered)
    }

    private enum Step { case delivered, refused, sessions, done }

    /// Runs the statements of the batch in flight one after the other, from `step` on.
    private func run(_ step: Step) {
        guard let batch = marks.inFlight else { return }
        func then(_ following: Step) -> NodeStore.Completion<MarksWritten> {
            { result in self.eventLoop.execute { self.statementEnded(result, step: step, following: following) } }
        }
        switch step {
        case .delivered where !batch.delivered.isEmpty:
            context.store.markDelivered(batch.delivered, completion: then(.refused))
        case .delivered:
            run(.refused)
        case .refused where !batch.refused.isEmpty:
            context.store.refuse(
                batch.refused, delay: limits.nackDelay, nacksMax: limits.nacksMax, completion: then(.sessions))
        case .refused:
            run(.sessions)
        case .sessions where !batch.closedSessions.isEmpty || !batch.unacknowledged.isEmpty:
            context.store.closeSessions(
                batch.closedSessions, unacknowledged: batch.unacknowledged, completion: then(.done))
        case .sessions:
            run(.done)
        case .done:
            committed()
        }
    }

    private func statementEnded(_ result: Result<MarksWritten, PostgresError>, step: Step, following: Step) {
        switch result {
        case .success(let written):
            markBackoff.reset()
            context.counters.wrote(written)
            run(following)
        case .failure(let error):
            context.counters.statementFailed()
            logger.warning(
                "Delivery marks could not be written; trying again",
                metadata: ["error": "\(error)", "marks": "\(marks.pendingCount)"])
            eventLoop.scheduleTask(in: TimeAmount(markBackoff.next())) { self.run(step) }
        }
    }

    private func committed() {
        let batch = marks.committed()
        marksBegan = nil
        for body in batch?.whenCommitted ?? [] { body() }
        if isReadingStopped, marks.pendingCount < limits.marksPendingMax / 2 { setReading(true) }
        flushTouched()
        if marks.isEmpty { settleStopping() } else { writeMarks() }
    }

    /// Reads from clients only as long as their ACKs find room.
    private func setReading(_ isReading: Bool) {
        isReadingStopped = !isReading
        for session in sessions.values { session.setReading(isReading) }
    }
}
