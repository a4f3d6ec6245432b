import BelfryModel
import Bus
import DequeModule
import Foundation
import Logging
import NIOCore
import Outbox
import STOMP

/// One event loop's gateway: its sessions, who listens to which address, its ear on the bus, its delivery marks.
/// Nothing is shared with the other shards but what `NodeContext` holds.
///
/// Like `Session`, `Delivery` and `Audience` it is used on its loop only; that, and not a lock, is what makes it safe to
/// name in closures that run there.
final class Shard: @unchecked Sendable {
    let eventLoop: any EventLoop
    let context: NodeContext
    let limits: Limits
    let logger: Logger

    var sessions: [ObjectIdentifier: Session] = [:]
    /// Sockets that are still there, those of ended sessions included.
    private var transportsOpen = 0
    var audiences: [Address: Audience] = [:]
    /// Sessions with bytes appended since the last flush.
    private var touched: [Session] = []
    private var isFlushScheduled = false
    /// Connections on this loop that have not sent a request yet.
    let firstRequests = FirstRequestWatch()

    // Bus
    var subscriber: (any BusSubscriber)?
    var isBusAvailable = false
    /// The life of PostgreSQL that the transaction ids known here belong to.
    var incarnation: UniqueID
    /// The highest term of a relay in it.
    var term: Int64 = 0
    var isAskingForIncarnation = false
    var nextAsk = NIODeadline.now()
    var nextForeignWarning = NIODeadline.now()
    /// Live messages were dropped because the node could not say that it lives.
    var isSuspended = false
    let turns: TurnQueue

    // Backlog
    var readers: Deque<Delivery> = []
    var topicReaders: Deque<Delivery> = []
    var isReadInFlight = false
    var isTopicReadInFlight = false
    var isPumpScheduled = false
    /// Of `readers` and `topicReaders`, those that have ended, at most.
    var readersEnded = 0
    var readBackoff = Backoff(first: .milliseconds(50), limit: .seconds(2))
    /// Sessions that ended while the statement that writes their row was on its way.
    var endedWhileOpening: [Session] = []

    /// When the reading under way was begun.
    var readBegan = NIODeadline.now()

    // Marks
    var marks: MarkQueue
    /// What was acknowledged or refused of late.
    var recent: RecentMessages
    /// Topics' messages that this shard has already marked delivered.
    var markedBroadcasts: RecentMessages
    /// What was shown to a session and given back: it comes marked as redelivered, whatever the row says that was read before.
    var handedBack: RecentMessages
    var isHeldRetryScheduled = false
    var isMarkScheduled = false
    /// When the batch of marks that is under way was begun; `nil` while none is.
    var marksBegan: NIODeadline?
    var markBackoff = Backoff(first: .milliseconds(50), limit: .seconds(2))
    var isReadingStopped = false

    // Timers
    var ticker: RepeatedTask?
    var wheel: TickWheel
    var isReconcileInFlight = false
    var isReconcileScheduled = false
    var nextReconcile = NIODeadline.now()
    var isStopping = false
    private var stopped: [EventLoopPromise<Void>] = []

    init(eventLoop: any EventLoop, context: NodeContext) {
        self.eventLoop = eventLoop
        self.context = context
        self.limits = context.limits
        self.logger = context.logger
        let now = NIODeadline.now()
        self.wheel = TickWheel(start: now)
        self.turns = TurnQueue(eventLoop: eventLoop)
        self.incarnation = context.incarnation
        self.marks = MarkQueue(marksMax: context.limits.marksMax)
        self.recent = RecentMessages(entriesMax: 200_000, now: now)
        self.markedBroadcasts = RecentMessages(entriesMax: 100_000, lifetime: .seconds(120), now: now)
        self.handedBack = RecentMessages(entriesMax: 200_000, now: now)
    }

    /// Connects to the bus and starts the timers; on the shard's event loop.
    func start() {
        eventLoop.preconditionInEventLoop()
        subscriber = context.bus.makeSubscriber(on: eventLoop, delegate: self)
        ticker = eventLoop.scheduleRepeatedTask(initialDelay: TickWheel.tick, delay: TickWheel.tick) { _ in
            self.tick()
        }
    }

    // MARK: Sessions

    /// A transport is there: a session begins, not yet authenticated.
    func open(transport: any SessionTransport) -> Session {
        transportsOpen += 1
        let session = Session(shard: self, transport: transport)
        sessions[ObjectIdentifier(session)] = session
        context.counters.sessionOpened()
        if isStopping {
            session.fail(.shuttingDown)
        } else if !context.occupancy.enter() {
            session.fail(.overloaded)
        } else {
            session.isCounted = true
        }
        wake(session)
        session.pauseOrResumeReading()
        return session
    }

    /// A transport is gone for good.
    func transportClosed() {
        transportsOpen -= 1
        settleStopping()
    }

    /// A session has ended, for whatever reason: its unacknowledged messages go back.
    func ended(_ session: Session, reason: CloseReason) {
        guard sessions.removeValue(forKey: ObjectIdentifier(session)) != nil else { return }
        context.counters.sessionClosed(reason)
        if session.isCounted { context.occupancy.leave() }
        if let user = session.user { context.occupancy.leave(user: user) }
        for delivery in session.deliveries.values { leave(delivery) }
        switch session.registration {
        case .none: giveBack(session.drainUnacknowledged(), of: session, endingSession: false)
        case .requested: endedWhileOpening.append(session)
        case .written, .uncertain: close(session)
        }
    }

    /// Gives a session's row back and marks what it leaves unacknowledged.
    func close(_ session: Session) {
        giveBack(session.drainUnacknowledged(), of: session, endingSession: true)
    }

    /// What a session, or a subscription of it, had not acknowledged comes back marked `redelivered`.
    func giveBack(_ ids: [MessageID], of session: Session, endingSession: Bool) {
        guard endingSession || !ids.isEmpty else { return }
        marks.ended(
            SessionEnd(
                sessionID: endingSession ? session.id : nil, receiver: session.user ?? "", unacknowledged: ids))
        scheduleMarks()
    }

    // MARK: Subscriptions

    func join(_ delivery: Delivery) {
        let audience = audience(of: delivery.address)
        audience.add(delivery)
        // Without the bus the outbox is all there is; what its channel would bring is found by reconcile.
        if audience.isOpen || !isBusAvailable { opened(delivery) }
    }

    private func audience(of address: Address) -> Audience {
        if let audience = audiences[address] { return audience }
        let audience = Audience(address: address, now: .now(), topicHold: TimeAmount(limits.topicHold))
        audiences[address] = audience
        subscriber?.subscribe(address)
        return audience
    }

    func leave(_ delivery: Delivery) {
        delivery.end()
        if delivery.isQueued { readerEnded() }
        guard let audience = audiences[delivery.address] else { return }
        audience.remove(delivery)
        if audience.isEmpty {
            audiences[delivery.address] = nil
            subscriber?.unsubscribe(delivery.address)
        }
    }

    /// The delivery's channel is open, or is done without.
    func opened(_ delivery: Delivery) {
        delivery.machine.channelOpened()
        if delivery.isTopic, audiences[delivery.address]?.watch?.hasLooked == false {
            // Only once it is known what the outbox held before can reconcile tell what was missed: the receipt waits.
            reconcileSoon()
        } else {
            payReceipt(delivery)
        }
        wantsPage(delivery)
    }

    /// Sends the receipt that SUBSCRIBE asked for: from here on nothing is missed.
    func payReceipt(_ delivery: Delivery) {
        guard let receipt = delivery.owedReceipt, !delivery.machine.isOpening else { return }
        delivery.owedReceipt = nil
        delivery.session.sendReceipt(receipt)
    }

    // MARK: Live messages

    /// Hands a live message to everybody at its address.
    func deliverLive(_ message: Message, to audience: Audience) {
        guard !message.isExpired(atMilliseconds: UnixTime.milliseconds) else { return }
        let createdAt = message.createdAtMicroseconds
        if audience.watch?.take(message.id, xid: message.xid, createdAtMicroseconds: createdAt) == false { return }
        for delivery in audience.deliveries { deliverLive(message, on: delivery) }
    }

    /// Hands a live message to one subscription, unless it is a repeat or the backlog's business.
    func deliverLive(_ message: Message, on delivery: Delivery) {
        guard !isRepeat(message, on: delivery) else { return }
        switch delivery.machine.liveReceived(message, hasRoom: delivery.hasRoom(limits)) {
        case .deliver: delivery.session.send(message, on: delivery)
        case .hold, .drop: break
        }
    }

    /// Shown to a session of this loop before, and given back.
    func wasHandedBack(_ message: Message) -> Bool {
        if marks.holdsGivenBack(message.id) { return true }
        return !handedBack.isEmpty
            && handedBack.knows(message.id, createdAtMicroseconds: message.createdAtMicroseconds)
    }

    /// In flight on the subscription, or acknowledged a moment ago.
    func isRepeat(_ message: Message, on delivery: Delivery) -> Bool {
        isRepeat(message.id, xid: message.xid, createdAt: message.createdAtMicroseconds, on: delivery)
    }

    func isRepeat(_ id: MessageID, xid: UInt64, createdAt: Int64, on delivery: Delivery) -> Bool {
        if delivery.ledger.contains(id, createdAtMicroseconds: createdAt) { return true }
        guard !delivery.isTopic else { return false }
        return recent.contains(id, xid: xid, createdAtMicroseconds: createdAt)
            || marks.holdsAnswer(id, createdAtMicroseconds: createdAt)
    }

    // MARK: Flushing

    /// The session has appended bytes: they go out with the next `flushTouched`.
    func touch(_ session: Session) {
        touched.append(session)
        guard !isFlushScheduled else { return }
        isFlushScheduled = true
        // Whatever path led here, the end of this turn of the loop flushes it.
        eventLoop.execute {
            self.isFlushScheduled = false
            self.flushTouched()
        }
    }

    /// Writes what every touched session has appended, once each.
    func flushTouched() {
        guard !touched.isEmpty else { return }
        let sessions = touched
        touched.removeAll(keepingCapacity: true)
        for session in sessions { session.flush() }
    }
}

// MARK: Stopping

extension Shard {
    /// Ends what is left; fulfilled once the marks are written and the sockets are gone. On the shard's event loop.
    ///
    /// - Parameter limit: after it the rest is left as it is: PostgreSQL may be away, and what is unmarked is redelivered.
    func stop(within limit: TimeAmount = .seconds(5)) -> EventLoopFuture<Void> {
        isStopping = true
        let promise = eventLoop.makePromise(of: Void.self)
        stopped.append(promise)
        eventLoop.scheduleTask(in: limit) { self.endStopping() }
        for session in Array(sessions.values) { session.fail(.shuttingDown) }
        flushTouched()
        scheduleMarks()
        settleStopping()
        return promise.futureResult
    }

    /// Fulfils `stop` if nothing is left to wait for.
    func settleStopping() {
        guard isStopping, marks.isEmpty, transportsOpen == 0 else { return }
        endStopping()
    }

    private func endStopping() {
        ticker?.cancel()
        subscriber?.close()
        for promise in stopped { promise.succeed() }
        stopped.removeAll()
    }
}
