import BelfryModel
import Delivery
import NIOCore
import Outbox
import Postgres

/// Reads what was broadcast to topics before, for consumers who asked for it: one page at a time. Used on its event
/// loop only.
final class TopicReader: @unchecked Sendable {
    private let eventLoop: any EventLoop
    private let context: NodeContext
    private let origins: OriginCheck
    private let flushQueue: FlushQueue
    private let line: ReaderLine
    private var isReading = false
    private var backoff = Backoff(first: .milliseconds(50), limit: .seconds(2))

    init(eventLoop: any EventLoop, context: NodeContext, origins: OriginCheck, flushQueue: FlushQueue) {
        self.eventLoop = eventLoop
        self.context = context
        self.origins = origins
        self.flushQueue = flushQueue
        line = ReaderLine(eventLoop: eventLoop)
        line.onLook = { [weak self] in self?.read() }
    }

    /// The consumer may want a page.
    func wantsPage(_ consumer: Consumer) { line.wantsPage(consumer) }

    /// A consumer in line has ended.
    func consumerEnded() { line.consumerEnded() }

    private func read() {
        guard !isReading, let consumer = line.popFirst() else { return }
        guard let page = consumer.takeTurn(), case .topic(let topic) = consumer.address else {
            if !line.isEmpty { line.scheduleLook() }
            return
        }
        isReading = true
        context.store.readTopic(
            topic, after: page.after, snapshot: page.snapshot, rowsMax: context.limits.backlogRowsMax,
            completion: eventLoop.bringingBack { self.answered($0, to: page, for: consumer) })
    }

    private func answered(
        _ answer: Result<BacklogPages, PostgresError>, to request: PageRequest, for consumer: Consumer
    ) {
        isReading = false
        line.scheduleLook()
        guard let (pages, snapshot) = origins.usable(answer) else { return retry(consumer) }
        backoff.reset()
        consumer.pageRead(
            StorePage(
                pages: pages, rows: pages.rows, snapshot: snapshot,
                isLast: pages.isLast(pages.rows, rowsMax: context.limits.backlogRowsMax),
                allocator: context.allocator),
            for: request)
        wantsPage(consumer)
        flushQueue.flush()
    }

    private func retry(_ consumer: Consumer) {
        consumer.pageFailed()
        eventLoop.scheduleTask(in: TimeAmount(backoff.next())) { self.wantsPage(consumer) }
    }
}
