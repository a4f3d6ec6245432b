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
        let topicsNow = topics.prefix(Self.addressesMax)
        context.store.reconcile(
            users: Array(users.prefix(Self.addressesMax)), topics: Array(topicsNow), rowsMax: limits.inFlightMax
        ) { result in
            self.eventLoop.execute {
                self.isReconcileInFlight = false
                guard case .success(let listing) = result else {
                    return self.context.counters.statementFailed()
                }
                self.reconciled(listing, topics: topicsNow)
                self.reconcile(
                    users: users.dropFirst(Self.addressesMax), topics: topics.dropFirst(Self.addressesMax))
                // Somebody asked while this one ran.
                if !self.isReconcileInFlight, self.nextReconcile <= .now() { self.reconcileSoon() }
            }
        }
    }

    private func reconciled(_ listing: OutboxListing, topics: ArraySlice<String>) {
        var ofTopics: [String: [(MessageID, UInt64)]] = [:]
        for row in listing.rows {
            let (id, xid) = (listing.messageID(row), listing.xid(row))
            switch listing.address(row) {
            case .user(let user): find(id, xid: xid, for: user)
            case .topic(let topic): ofTopics[topic, default: []].append((id, xid))
            }
        }
        var missed: [MessageID] = []
        for topic in topics {
            missed.append(contentsOf: missedBroadcasts(of: topic, in: ofTopics[topic] ?? []))
        }
        if !missed.isEmpty { readMissedBroadcasts(missed.sorted()) }
        flushTouched()
    }

    /// A row that is neither in flight, nor just acknowledged, nor seen by the last reading was missed.
    private func find(_ id: MessageID, xid: UInt64, for user: String) {
        guard !recent.contains(id, xid: xid), let audience = audiences[.user(user)] else { return }
        for delivery in audience.deliveries where delivery.machine.isLive {
            guard !delivery.ledger.contains(id), delivery.machine.floor?.sees(xid) != true else { continue }
            context.counters.missedFound()
            delivery.machine.missedRowFound()
            wantsPage(delivery)
        }
    }

    private func missedBroadcasts(of topic: String, in rows: [(id: MessageID, xid: UInt64)]) -> [MessageID] {
        guard let audience = audiences[.topic(topic)], let seen = audience.seen else { return [] }
        guard seen.hasBaseline else {
            audience.seen?.setBaseline(rows.lazy.map(\.id))
            for delivery in audience.deliveries { payReceipt(delivery) }
            return []
        }
        return rows.filter { seen.lacks($0.id, xid: $0.xid) }.map(\.id)
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
