import BelfryModel
import Commands
import NIOCore
import Outbox
import Postgres

/// What the clients of an event loop send, on its way to PostgreSQL. Runs the statements of `SendQueue`. Used on its
/// event loop only.
///
/// What PostgreSQL does not take while it is away waits for `Limits.sendTimeout`; then its session is told so.
final class SendWriter: @unchecked Sendable {
    /// What became of something that was sent: once committed, what it marked.
    typealias Outcome = Result<MarksWritten?, CommandRefusal>

    /// The pause before what somebody's lock is in the way of is tried again.
    private static let asidePause = TimeAmount.milliseconds(100)
    /// How much of that is tried again at a time: each try may take ten milliseconds, which everybody waits.
    private static let asideTriesMax = 2

    private let eventLoop: any EventLoop
    private let context: NodeContext
    private let flushQueue: FlushQueue
    private var queue = SendQueue()
    private var done: [Int: (Outcome) -> Void] = [:]
    private var lastNumber = 0
    private var isWriteScheduled = false
    private var isRetryScheduled = false
    private var backoff = Backoff(first: .milliseconds(50), limit: .seconds(1))
    /// So much waits that no more is to be read from clients.
    private(set) var isOverfull = false

    /// `isOverfull` has changed.
    var onPressureChange: () -> Void = {}
    /// Nothing is left to be written.
    var onEmpty: () -> Void = {}

    init(eventLoop: any EventLoop, context: NodeContext, flushQueue: FlushQueue) {
        self.eventLoop = eventLoop
        self.context = context
        self.flushQueue = flushQueue
    }

    var isEmpty: Bool { queue.isEmpty }

    /// Writes messages, and acknowledgements with them in one transaction; what one session sends in its order.
    ///
    /// - Parameter done: told on the event loop what became of it.
    func add(
        _ rows: [SendRow], acknowledging marks: [DeliveryMark] = [], of session: SessionID,
        done: @escaping (Outcome) -> Void
    ) {
        lastNumber += 1
        self.done[lastNumber] = done
        let deadline = eventLoop.now + TimeAmount(context.limits.sendTimeout)
        queue.add(
            SendQueue.Entry(number: lastNumber, session: session, rows: rows, marks: marks, deadline: deadline))
        pressureMayHaveChanged()
        scheduleWrite()
    }

    /// Time has passed.
    func tick(at now: NIODeadline) {
        guard !queue.isEmpty else { return }
        end(
            queue.expired(at: now),
            .failure(
                CommandRefusal(
                    .unavailable,
                    "the database has not taken it in time: nothing of it was written; send it again later.")))
    }

    // MARK: Writing

    /// At the end of this turn of the loop, so that what one read brings goes together.
    private func scheduleWrite() {
        guard !isWriteScheduled, !queue.isWriting else { return }
        isWriteScheduled = true
        eventLoop.execute {
            self.isWriteScheduled = false
            self.write()
        }
    }

    private func write() {
        guard let batch = queue.begin() else {
            if queue.isEmpty { onEmpty() }
            return
        }
        let rows = batch.flatMap(\.rows)
        if let first = batch.first, !first.marks.isEmpty {
            context.store.commit(
                rows, delivered: first.marks, completion: eventLoop.bringingBack { self.ended($0.map { $0 }) })
        } else {
            context.store.send(rows, completion: eventLoop.bringingBack { self.ended($0.map { nil }) })
        }
    }

    private func ended(_ answer: Result<MarksWritten?, PostgresError>) {
        switch answer {
        case .success(let written):
            backoff.reset()
            if let written { context.metrics.wrote(written) }
            end(queue.committed(), .success(written))
            write()
        case .failure(let error) where error.sqlState == "55P03":
            context.metrics.statementFailed()
            if queue.locked() { retryAsideLater() }
            write()
        case .failure(let error) where error.isRefusal:
            context.metrics.statementFailed()
            end(queue.refused(), .failure(Self.refusal(error)))
            write()
        case .failure(let error) where error.isWithoutEffect:
            context.metrics.statementFailed()
            queue.postponed()
            eventLoop.scheduleTask(in: TimeAmount(backoff.next())) { self.write() }
        case .failure(let error):
            context.metrics.statementFailed()
            let (unknown, behind) = queue.lost()
            end(
                unknown,
                .failure(
                    CommandRefusal(
                        .unavailable,
                        "the connection to the database was lost meanwhile: whether it was written is not known. "
                            + "Send it again with the same idempotency-key, if it had one.",
                        underlying: error)))
            end(
                behind,
                .failure(
                    CommandRefusal(
                        .unavailable, "what was sent before it may be lost: it was not written; send it again, too.")))
            write()
        }
    }

    private static func refusal(_ error: PostgresError) -> CommandRefusal {
        // PostgreSQL's words on JSON say where, not what for.
        switch error.sqlState {
        case "22P02":
            CommandRefusal(
                .invalid,
                "the body is not JSON (\(error.message)); for a text send the header type:STRING_MSG.")
        case "22P05": CommandRefusal(.invalid, "the body holds \\u0000, which PostgreSQL's JSON can't.")
        case "22003": CommandRefusal(.invalid, "the body holds a number that is too large (\(error.message)).")
        case "54001": CommandRefusal(.invalid, "the body is JSON that is nested too deeply.")
        default: CommandRefusal(error)
        }
    }

    private func end(_ entries: [SendQueue.Entry], _ outcome: Outcome) {
        guard !entries.isEmpty else { return }
        for (place, entry) in entries.enumerated() {
            // What its session sent behind a refused one was not tried.
            let mine: Outcome =
                if case .failure(let refusal) = outcome, place > 0, refusal.code == .invalid {
                    .failure(CommandRefusal(.unavailable, "what was sent before it was refused."))
                } else {
                    outcome
                }
            done.removeValue(forKey: entry.number)?(mine)
        }
        pressureMayHaveChanged()
        flushQueue.flush()
    }

    private func retryAsideLater() {
        guard !isRetryScheduled else { return }
        isRetryScheduled = true
        eventLoop.scheduleTask(in: Self.asidePause) {
            self.isRetryScheduled = false
            self.queue.retryAside(Self.asideTriesMax)
            self.write()
            if self.queue.hasAside { self.retryAsideLater() }
        }
    }

    private func pressureMayHaveChanged() {
        let bytesMax = context.limits.sendsPendingBytesMax
        let now = isOverfull ? queue.byteCount > bytesMax / 2 : queue.byteCount > bytesMax
        guard now != isOverfull else { return }
        isOverfull = now
        onPressureChange()
    }
}
