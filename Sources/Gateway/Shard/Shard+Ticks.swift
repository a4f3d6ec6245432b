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
        for session in Array(sessions.values) { session.tick(at: now) }
        recent.tick(at: now)
        markedBroadcasts.tick(at: now)
        flushTouched()
        if now >= nextReconcile { reconcile(at: now) }
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
        var users: [String] = []
        var topics: [String] = []
        for audience in audiences.values {
            audience.seen?.tick(at: now)
            switch audience.address {
            case .user(let user):
                if audience.deliveries.contains(where: { $0.machine.isLive }) { users.append(user) }
            case .topic(let topic): topics.append(topic)
            }
        }
        reconcile(users: users[...], topics: topics[...])
    }

    private func reconcile(users: ArraySlice<String>, topics: ArraySlice<String>) {
        guard !users.isEmpty || !topics.isEmpty else { return }
        isReconcileInFlight = true
        let (usersNow, topicsNow) = (users.prefix(Self.addressesMax), topics.prefix(Self.addressesMax))
        context.store.reconcile(
            users: Array(usersNow), topics: Array(topicsNow), rowsMax: limits.inFlightMax
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

    private typealias Rows = [(id: MessageID, xid: UInt64)]

    private func reconciled(_ listing: OutboxListing, users: ArraySlice<String>, topics: ArraySlice<String>) {
        var rows: [Address: Rows] = [:]
        for row in listing.rows {
            rows[listing.address(row), default: []].append((listing.messageID(row), listing.xid(row)))
        }
        for user in users {
            guard let audience = audiences[.user(user)] else { continue }
            findMissed(by: audience, in: rows[audience.address] ?? [])
        }
        var missed: [MessageID] = []
        for topic in topics {
            guard let audience = audiences[.topic(topic)] else { continue }
            missed.append(contentsOf: missedBroadcasts(of: audience, in: rows[audience.address] ?? []))
        }
        if !missed.isEmpty { readMissedBroadcasts(missed.sorted()) }
        flushTouched()
    }

    /// A row that is neither in flight, nor just acknowledged, nor seen by the last reading was missed.
    private func findMissed(by audience: Audience, in rows: Rows) {
        let rows = rows.filter { !recent.contains($0.id, xid: $0.xid) }
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

    private func missedBroadcasts(of audience: Audience, in rows: Rows) -> [MessageID] {
        guard let seen = audience.seen else { return [] }
        guard seen.hasBaseline else {
            audience.seen?.setBaseline(rows.lazy.map(\.id))
            for delivery in audience.deliveries { payReceipt(delivery) }
            return []
        }
        return confirmed(rows.filter { seen.lacks($0.id, xid: $0.xid) }, for: audience).map(\.id)
    }

    /// Which of the rows that are lacking were missed: all while the bus is away; else those that the last reconcile found
    /// lacking too, since the bus may be about to bring the others.
    private func confirmed(_ lacking: Rows, for audience: Audience) -> Rows {
        let suspects = audience.suspects
        audience.suspects = Set(lacking.lazy.map(\.id))
        return isBusAvailable ? lacking.filter { suspects.contains($0.id) } : lacking
    }

    private func readMissedBroadcasts(_ ids: [MessageID]) {
        context.store.readBroadcasts(Array(ids.prefix(limits.backlogRowsMax))) { result in
            self.eventLoop.execute {
                guard case .success(let pages) = result else { return self.context.counters.statementFailed() }
                self.deliverMissed(pages)
            }
        }
    }

    private func deliverMissed(_ pages: BacklogPages) {
        for row in pages.rows {
            guard let audience = audiences[.topic(pages.topic(row))] else { continue }
            context.counters.missedFound()
            deliverLive(Message(pages, row: row, allocator: context.allocator), to: audience)
        }
        flushTouched()
    }

    // MARK: PostgreSQL came back as another one

    /// Transaction ids seen before mean nothing any more: every subscription reads its backlog again.
    func incarnationChanged() {
        for audience in audiences.values {
            for delivery in audience.deliveries {
                delivery.machine.incarnationChanged()
                wantsPage(delivery)
            }
        }
    }

    /// Others took this node for dead and removed its sessions' rows: they are written again with the next reading.
    func forgotten() {
        for session in sessions.values where session.registration == .written { session.registration = .none }
        incarnationChanged()
    }
}

extension TimeAmount {
    /// The same length as a `Duration`, to the nanosecond.
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .nanoseconds(seconds * 1_000_000_000 + attoseconds / 1_000_000_000)
    }
}
