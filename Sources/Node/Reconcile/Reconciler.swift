import BelfryModel
import Bus
import Delivery
import NIOCore
import Outbox
import Postgres

/// Compares, every few seconds, what the outbox holds for an event loop's users and topics with what was handed out,
/// and has read what the bus lost. Used on its event loop only.
final class Reconciler: @unchecked Sendable {
    /// Addresses asked for by one statement.
    private static let addressesMax = 1_000

    private let eventLoop: any EventLoop
    private let context: NodeContext
    private let feed: LiveFeed
    private let origins: OriginCheck
    private let flushQueue: FlushQueue
    private var next = NIODeadline.now()
    private var isInFlight = false
    private var isScheduled = false

    /// A consumer has missed something, and wants to read.
    var onMissed: (Consumer) -> Void = { _ in }
    /// It is known what a topic's outbox held before: from here on nothing is missed.
    var onTopicLook: (Audience) -> Void = { _ in }

    init(
        eventLoop: any EventLoop, context: NodeContext, feed: LiveFeed, origins: OriginCheck, flushQueue: FlushQueue
    ) {
        self.eventLoop = eventLoop
        self.context = context
        self.feed = feed
        self.origins = origins
        self.flushQueue = flushQueue
    }

    /// Time has passed.
    func tick(at now: NIODeadline) {
        if now >= next { begin(at: now) }
    }

    /// Has the next tick begin.
    func beginWithNextTick() { next = .now() }

    /// Begins at the end of this turn of the loop, or as soon as the one under way has ended.
    func beginSoon() {
        next = .now()
        guard !isScheduled else { return }
        isScheduled = true
        eventLoop.execute {
            self.isScheduled = false
            self.begin(at: .now())
        }
    }

    // MARK: Asking

    private func begin(at now: NIODeadline) {
        guard !isInFlight, context.store.isAvailable else { return }
        let limits = context.limits
        next = now + TimeAmount(feed.isBusAvailable ? limits.reconcileInterval : limits.degradedInterval)
        var users: [Audience] = []
        var topics: [TopicLook] = []
        for audience in feed.all {
            switch audience.address {
            case .user: if audience.wantsLook { users.append(audience) }
            case .topic(let topic):
                audience.tick(at: now)
                topics.append(
                    TopicLook(
                        topic: topic, covered: audience.lastLook,
                        sinceMicroseconds: audience.firstLookMicroseconds))
            }
        }
        ask(users: users[...], topics: topics[...])
    }

    private func ask(users: ArraySlice<Audience>, topics: ArraySlice<TopicLook>) {
        guard !users.isEmpty || !topics.isEmpty else { return }
        isInFlight = true
        let (usersNow, topicsNow) = (users.prefix(Self.addressesMax), topics.prefix(Self.addressesMax))
        list(users: usersNow, topics: Array(topicsNow)) { listing in
            self.isInFlight = false
            guard let listing else { return }
            self.answered(listing, users: usersNow, topics: topicsNow)
            self.ask(users: users.dropFirst(Self.addressesMax), topics: topics.dropFirst(Self.addressesMax))
            // Somebody asked while this one ran.
            if !self.isInFlight, self.next <= .now() { self.beginSoon() }
        }
    }

    private func list(
        users: ArraySlice<Audience>, topics: [TopicLook], _ done: @escaping @Sendable (OutboxListing?) -> Void
    ) {
        context.store.reconcile(
            users: users.compactMap(\.user), topics: topics, rowsMax: context.limits.inFlightMax,
            isBusAvailable: feed.isBusAvailable,
            completion: eventLoop.bringingBack { answer in
                guard case .success(let listing) = answer else {
                    self.context.metrics.statementFailed()
                    return done(nil)
                }
                done(listing)
            })
    }

    private func answered(_ listing: OutboxListing, users: ArraySlice<Audience>, topics: ArraySlice<TopicLook>) {
        guard let snapshot = listing.snapshot, origins.adopt(listing.incarnation) else { return }
        let rows = rows(of: listing)
        for audience in users { listed(rows[audience.address] ?? [], for: audience) }
        for topic in topics {
            looked(
                Look(topic: topic, snapshot: snapshot, at: listing.listedAtMicroseconds),
                found: rows[.topic(topic.topic)] ?? [], before: [])
        }
        flushQueue.flush()
    }

    private func rows(of listing: OutboxListing) -> [Address: [MessageStamp]] {
        var rows: [Address: [MessageStamp]] = [:]
        for row in listing.rows {
            rows[listing.address(row), default: []].append(
                MessageStamp(
                    id: listing.messageID(row), xid: listing.xid(row),
                    createdAtMicroseconds: listing.createdAtMicroseconds(row)))
        }
        return rows
    }

    /// Something is lacking that the bus may be about to bring: the second look comes early.
    private func lookAgainEarly(for audience: Audience) {
        if audience.hasSuspects { next = min(next, .now() + TimeAmount(context.limits.degradedInterval)) }
    }

    // MARK: Users

    private func listed(_ rows: [MessageStamp], for audience: Audience) {
        for consumer in audience.listed(rows, isBusAvailable: feed.isBusAvailable) {
            context.metrics.missedFound()
            onMissed(consumer)
        }
        lookAgainEarly(for: audience)
    }

    // MARK: Topics

    /// A look at one topic, when and under which snapshot it was begun.
    private struct Look: Sendable {
        let topic: TopicLook
        let snapshot: TransactionSnapshot
        let at: Int64
    }

    /// A page of a look is there. Only when all are does the topic's watch hear of them.
    private func looked(_ look: Look, found: [MessageStamp], before: [MessageStamp]) {
        guard let audience = feed.audience(at: .topic(look.topic.topic)) else { return }
        let rows = before + found
        guard found.count < OutboxListing.topicRowsMax else { return lookFurther(look, rows) }
        // Another incarnation may have come between.
        guard audience.lastLook == look.topic.covered else { return }
        let missed = audience.listed(rows, snapshot: look.snapshot, at: look.at, isBusAvailable: feed.isBusAvailable)
        onTopicLook(audience)
        if !missed.isEmpty { readMissed(missed[...], for: audience) }
        lookAgainEarly(for: audience)
    }

    private func lookFurther(_ look: Look, _ rows: [MessageStamp]) {
        let further = TopicLook(
            topic: look.topic.topic, covered: look.topic.covered, sinceMicroseconds: look.topic.sinceMicroseconds,
            after: rows.last?.id ?? MessageID(rawValue: 0))
        list(users: [], topics: [further]) { listing in
            guard let listing, self.origins.adopt(listing.incarnation) else { return }
            self.looked(look, found: self.rows(of: listing)[.topic(look.topic.topic)] ?? [], before: rows)
            self.flushQueue.flush()
        }
    }

    /// Reads missed broadcasts, a page at a time, and hands them out.
    private func readMissed(_ ids: ArraySlice<MessageID>, for audience: Audience) {
        let page = ids.prefix(context.limits.backlogRowsMax)
        context.store.readBroadcasts(
            Array(page),
            completion: eventLoop.bringingBack { answer in
                guard case .success(let pages) = answer else { return self.context.metrics.statementFailed() }
                guard self.origins.adopt(pages.incarnation), self.origins.mayDeliver(at: .now()) else { return }
                for row in pages.rows {
                    self.context.metrics.missedFound()
                    audience.deliver(
                        pages.message(row, allocator: self.context.allocator), atMilliseconds: UnixTime.milliseconds)
                }
                audience.readMissed(page)
                self.flushQueue.flush()
                let rest = ids.dropFirst(page.count)
                if !rest.isEmpty { self.readMissed(rest, for: audience) }
            })
    }
}
