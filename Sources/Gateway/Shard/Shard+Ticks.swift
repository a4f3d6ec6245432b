import BelfryModel
import NIOCore
import Outbox
import Postgres

/// What time brings: heart-beats and deadlines of sessions, forgetting, reconcile with PostgreSQL.
extension Shard {
    /// Addresses asked for by one reconcile statement.
    private static let addressesMax = 1_000

    func tick() {
        let now = NIODeadline.now()
        firstRequests.tick(at: now)
        for entry in wheel.due(at: now) {
            // Its place may have been taken by another session since: a look too many does no harm.
            guard let session = sessions[entry.id], session.filedTick == entry.tick else { continue }
            session.filedTick = nil
            session.tick(at: now)
            wake(session)
        }
        // While PostgreSQL does not take the marks, its rows are still there: nothing may be forgotten.
        let isStalled = marksBegan.map { now - $0 > .seconds(5) } ?? false
        if !isStalled { recent.tick(at: now) }
        // Nor while a reading is under way that may have begun before the mark of what it brings.
        if !isStalled, !isReadInFlight || now - readBegan < .seconds(5) { handedBack.tick(at: now) }
        markedBroadcasts.tick(at: now)
        resumeIfSuspended(at: now)
        flushTouched()
        if now >= nextReconcile { reconcile(at: now) }
    }

    /// Has the session looked at when its next deadline has come.
    func wake(_ session: Session) {
        guard let deadline = session.nextDeadline else { return }
        session.filedTick = wheel.file(ObjectIdentifier(session), at: deadline, filed: session.filedTick)
    }

    // MARK: Reconcile

    /// Reconciles at the end of this turn of the loop, or as soon as the one under way has ended.
    func reconcileSoon() {
        nextReconcile = .now()
        guard !isReconcileScheduled else { return }
        isReconcileScheduled = true
        eventLoop.execute {
            self.isReconcileScheduled = false
            self.reconcile(at: .now())
        }
    }

    private func reconcile(at now: NIODeadline) {
        guard !isReconcileInFlight, context.store.isAvailable else { return }
        nextReconcile = now + TimeAmount(isBusAvailable ? limits.reconcileInterval : limits.degradedInterval)
        var users: [Audience] = []
        var topics: [TopicLook] = []
        for audience in audiences.values {
            if audience.user != nil {
                if audience.deliveries.contains(where: { $0.machine.isLive }) { users.append(audience) }
            } else if case .topic(let topic) = audience.address {
                audience.watch?.tick(at: now)
                topics.append(
                    TopicLook(
                        topic: topic, covered: audience.watch?.floor,
                        sinceMicroseconds: audience.watch?.sinceMicroseconds))
            }
        }
        reconcile(users: users[...], topics: topics[...])
    }

    private func reconcile(users: ArraySlice<Audience>, topics: ArraySlice<TopicLook>) {
        guard !users.isEmpty || !topics.isEmpty else { return }
        isReconcileInFlight = true
        let (usersNow, topicsNow) = (users.prefix(Self.addressesMax), topics.prefix(Self.addressesMax))
        context.store.reconcile(
            users: usersNow.compactMap(\.user), topics: Array(topicsNow), rowsMax: limits.inFlightMax,
            isBusAvailable: isBusAvailable
        ) { result in
            self.eventLoop.execute {
                self.isReconcileInFlight = false
                guard case .success(let listing) = result else {
                    return self.context.counters.statementFailed()
                }
                self.reconciled(listing, users: usersNow, topics: topicsNow)
                self.reconcile(
                    users: users.dropFirst(Self.addressesMax), topics: topics.dropFirst(Self.addressesMax))
                // Somebody asked while this one ran.
                if !self.isReconcileInFlight, self.nextReconcile <= .now() { self.reconcileSoon() }
            }
        }
    }

    private typealias Rows = [TopicWatch.Row]

    private func reconciled(_ listing: OutboxListing, users: ArraySlice<Audience>, topics: ArraySlice<TopicLook>) {
        guard let snapshot = listing.snapshot, adopt(listing.incarnation) else { return }
        let rows = rows(of: listing)
        for audience in users where !rows.isEmpty || !audience.suspects.isEmpty {
            findMissed(by: audience, in: rows[audience.address] ?? [])
        }
        for look in topics {
            looked(
                Look(topic: look, snapshot: snapshot, at: listing.listedAtMicroseconds),
                found: rows[.topic(look.topic)] ?? [], before: [])
        }
        flushTouched()
    }

    /// A look at one topic, when and under which snapshot it was begun.
    private struct Look: Sendable {
        let topic: TopicLook
        let snapshot: TransactionSnapshot
        let at: Int64
    }

    /// A page of a look is there. Only when all are does the topic's watch hear of them.
    private func looked(_ look: Look, found: Rows, before: Rows) {
        guard let audience = audiences[.topic(look.topic.topic)] else { return }
        let rows = before + found
        guard found.count < OutboxListing.topicRowsMax, let watch = audience.watch else {
            return lookFurther(look, rows)
        }
        // Another incarnation may have come between.
        guard watch.floor == look.topic.covered else { return }
        let missed =
            audience.watch?.listed(rows, snapshot: look.snapshot, at: look.at, isBusAvailable: isBusAvailable) ?? []
        for delivery in audience.deliveries { payReceipt(delivery) }
        if !missed.isEmpty { readMissed(missed[...], by: audience) }
        if audience.watch?.suspects.isEmpty == false { lookAgainSoon() }
    }

    private func lookFurther(_ look: Look, _ rows: Rows) {
        let next = TopicLook(
            topic: look.topic.topic, covered: look.topic.covered, sinceMicroseconds: look.topic.sinceMicroseconds,
            after: rows.last?.id ?? MessageID(rawValue: 0))
        context.store.reconcile(
            users: [], topics: [next], rowsMax: limits.inFlightMax, isBusAvailable: isBusAvailable
        ) { result in
            self.eventLoop.execute {
                guard case .success(let listing) = result else { return self.context.counters.statementFailed() }
                guard self.adopt(listing.incarnation) else { return }
                self.looked(look, found: self.rows(of: listing)[.topic(look.topic.topic)] ?? [], before: rows)
                self.flushTouched()
            }
        }
    }

    private func rows(of listing: OutboxListing) -> [Address: Rows] {
        var rows: [Address: Rows] = [:]
        for row in listing.rows {
            rows[listing.address(row), default: []].append(
                TopicWatch.Row(
                    id: listing.messageID(row), xid: listing.xid(row),
                    createdAtMicroseconds: listing.createdAtMicroseconds(row)))
        }
        return rows
    }

    /// Something is lacking that the bus may be about to bring: the second look comes early.
    private func lookAgainSoon() {
        nextReconcile = min(nextReconcile, .now() + TimeAmount(limits.degradedInterval))
    }

    /// A row that is neither in flight, nor just acknowledged, nor seen by the last reading was missed.
    private func findMissed(by audience: Audience, in rows: Rows) {
        let rows = rows.filter { !recent.contains($0.id, xid: $0.xid) && !marks.holdsAnswer($0.id) }
        func lacks(_ delivery: Delivery, _ row: Rows.Element) -> Bool {
            !delivery.ledger.contains(row.id) && delivery.machine.floor?.sees(row.xid) != true
        }
        let live = audience.deliveries.filter { $0.machine.isLive }
        let missed = confirmed(rows.filter { row in live.contains { lacks($0, row) } }, for: audience)
        guard !missed.isEmpty else { return }
        for delivery in live where missed.contains(where: { lacks(delivery, $0) }) {
            context.counters.missedFound()
            delivery.machine.missedRowFound()
            wantsPage(delivery)
        }
    }

    /// Which of the rows that are lacking were missed: all while the bus is away; else those that the last reconcile found
    /// lacking too, since the bus may be about to bring the others.
    private func confirmed(_ lacking: Rows, for audience: Audience) -> Rows {
        let suspects = audience.suspects
        audience.suspects = Set(lacking.lazy.map(\.id))
        if !lacking.isEmpty { lookAgainSoon() }
        return isBusAvailable ? lacking.filter { suspects.contains($0.id) } : lacking
    }

    /// Reads missed broadcasts, a page at a time, and hands them out.
    private func readMissed(_ ids: ArraySlice<MessageID>, by audience: Audience) {
        let page = ids.prefix(limits.backlogRowsMax)
        context.store.readBroadcasts(Array(page)) { result in
            self.eventLoop.execute {
                guard case .success(let pages) = result else { return self.context.counters.statementFailed() }
                guard self.adopt(pages.incarnation), self.mayDeliver(at: .now()) else { return }
                for row in pages.rows {
                    self.context.counters.missedFound()
                    self.deliverLive(Message(pages, row: row, allocator: self.context.allocator), to: audience)
                }
                audience.watch?.readMissed(page)
                self.flushTouched()
                let rest = ids.dropFirst(page.count)
                if !rest.isEmpty { self.readMissed(rest, by: audience) }
            }
        }
    }
}

extension TimeAmount {
    /// The same length as a `Duration`, to the nanosecond.
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
