import BelfryModel
import Bus
import NIOCore
import Outbox
import Postgres

/// Reading backlogs: one statement at a time for many subscriptions; who comes while it runs shares the next one.
extension Shard {
    /// Subscriptions served by one statement.
    private static let readsMax = 64

    /// The delivery's machine may want a page: queues it if so.
    func wantsPage(_ delivery: Delivery) {
        guard !delivery.isQueued, !delivery.isEnded else { return }
        delivery.isQueued = true
        if delivery.isTopic { topicReaders.append(delivery) } else { readers.append(delivery) }
        schedulePump()
    }

    /// A delivery that waits to read has ended. Those that have are taken out now and then, as a reading may hang and clients may
    /// come and go meanwhile.
    func readerEnded() {
        readersEnded += 1
        guard readersEnded > 64, readersEnded > (readers.count + topicReaders.count) / 2 else { return }
        readers.removeAll { $0.isEnded }
        topicReaders.removeAll { $0.isEnded }
        readersEnded = 0
    }

    private func schedulePump() {
        guard !isPumpScheduled else { return }
        isPumpScheduled = true
        eventLoop.execute {
            self.isPumpScheduled = false
            self.pumpReaders()
            self.pumpTopicReaders()
        }
    }

    // MARK: Users

    private func pumpReaders() {
        guard !isReadInFlight else { return }
        var batch: [(delivery: Delivery, page: DeliveryMachine.PageRequest)] = []
        var openings: [Session] = []
        var sessions: Set<ObjectIdentifier> = []
        var others: [Delivery] = []
        while batch.count < Self.readsMax, let delivery = readers.popFirst() {
            // One page a session at a time, so that one with many subscriptions does not fill the statement.
            guard sessions.insert(ObjectIdentifier(delivery.session)).inserted else {
                others.append(delivery)
                continue
            }
            delivery.isQueued = false
            guard !delivery.isEnded, let page = delivery.machine.nextPage() else { continue }
            batch.append((delivery, page))
            if delivery.session.registration == .none || delivery.session.registration == .uncertain {
                delivery.session.registration = .requested
                openings.append(delivery.session)
            }
        }
        readers.append(contentsOf: others)
        guard !batch.isEmpty else { return }
        isReadInFlight = true
        readBegan = .now()
        let reads = batch.map { delivery, page in
            BacklogRead(
                receiver: delivery.session.user ?? "", after: page.after, snapshot: page.snapshot, covered: page.floor,
                sessionID: delivery.session.id)
        }
        let (asked, opened) = (batch, openings)
        context.store.readBacklog(
            reads, opening: openings.map { SessionOpening(sessionID: $0.id, receiver: $0.user ?? "") },
            rowsMax: limits.backlogRowsMax
        ) { result in
            self.eventLoop.execute { self.backlogRead(result, for: asked, opening: opened) }
        }
    }

    private func backlogRead(
        _ result: Result<BacklogPages, PostgresError>,
        for batch: [(delivery: Delivery, page: DeliveryMachine.PageRequest)], opening openings: [Session]
    ) {
        isReadInFlight = false
        let isOpened = if case .success = result { true } else { false }
        for session in openings { session.registration = isOpened ? .written : .uncertain }
        for session in endedWhileOpening { close(session) }
        endedWhileOpening.removeAll()
        guard let (pages, snapshot) = pages(of: result) else {
            return retryReading(batch.map(\.delivery))
        }
        var row = pages.rows.lowerBound
        for (place, entry) in batch.enumerated() {
            let first = row
            while row < pages.rows.upperBound, pages.read(row) == place { row += 1 }
            guard !entry.delivery.isEnded, entry.delivery.machine.isCurrent(generation: entry.page.generation) else {
                continue
            }
            send(pages, rows: first..<row, under: snapshot, to: entry.delivery)
        }
        flushTouched()
        schedulePump()
    }

    private func pages(of result: Result<BacklogPages, PostgresError>) -> (BacklogPages, TransactionSnapshot)? {
        switch result {
        case .success(let pages):
            guard let snapshot = pages.snapshot, adopt(pages.incarnation), mayDeliver(at: .now()) else { return nil }
            readBackoff.reset()
            return (pages, snapshot)
        case .failure(let error):
            context.counters.statementFailed()
            logger.debug("A backlog could not be read; trying again", metadata: ["error": "\(error)"])
            return nil
        }
    }

    private func retryReading(_ deliveries: [Delivery]) {
        for delivery in deliveries { delivery.machine.pageFailed() }
        eventLoop.scheduleTask(in: TimeAmount(readBackoff.next())) {
            for delivery in deliveries { self.wantsPage(delivery) }
            // Others queued meanwhile, and these may be queued already or gone.
            self.schedulePump()
        }
    }

    /// Sends a page, as far as there is room, and what was held behind the last one.
    private func send(
        _ pages: BacklogPages, rows: Range<Int>, under snapshot: TransactionSnapshot, to delivery: Delivery
    ) {
        var last: MessageID?
        for row in rows {
            let id = pages.messageID(row)
            let isRepeat = isRepeat(
                id, xid: pages.xid(row), createdAt: pages.createdAtMicroseconds(row), on: delivery)
            if delivery.machine.brings(id), !isRepeat {
                guard delivery.hasRoom(limits), delivery.session.hasRoomForBacklog() else {
                    delivery.machine.pageCutShort(last: last, snapshot: snapshot)
                    return
                }
                delivery.session.send(
                    Message(pages, row: row, allocator: context.allocator), on: delivery)
            }
            last = id
        }
        let held = delivery.machine.pageSent(
            last: last, snapshot: snapshot, isLast: pages.isLast(rows, rowsMax: limits.backlogRowsMax))
        sendHeld(held, on: delivery)
        wantsPage(delivery)
    }

    private func sendHeld(_ held: [Message], on delivery: Delivery) {
        for (place, message) in held.enumerated() where !isRepeat(message, on: delivery) {
            guard delivery.hasRoom(limits) else { return delivery.machine.heldCutShort(held[place...]) }
            guard !message.isExpired(atMilliseconds: UnixTime.milliseconds) else { continue }
            delivery.session.send(message, on: delivery)
        }
    }

    // MARK: Topics

    private func pumpTopicReaders() {
        guard !isTopicReadInFlight, let delivery = topicReaders.popFirst() else { return }
        delivery.isQueued = false
        guard !delivery.isEnded, case .topic(let topic) = delivery.address, let page = delivery.machine.nextPage()
        else {
            if !topicReaders.isEmpty { schedulePump() }
            return
        }
        isTopicReadInFlight = true
        context.store.readTopic(
            topic, after: page.after, snapshot: page.snapshot, rowsMax: limits.backlogRowsMax
        ) { result in
            self.eventLoop.execute { self.topicRead(result, for: delivery, generation: page.generation) }
        }
    }

    private func topicRead(_ result: Result<BacklogPages, PostgresError>, for delivery: Delivery, generation: Int) {
        isTopicReadInFlight = false
        schedulePump()
        guard let (pages, snapshot) = pages(of: result) else { return retryReading([delivery]) }
        guard !delivery.isEnded, delivery.machine.isCurrent(generation: generation) else { return }
        send(pages, rows: pages.rows, under: snapshot, to: delivery)
        flushTouched()
    }
}
