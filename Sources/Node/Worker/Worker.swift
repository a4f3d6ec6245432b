import BelfryModel
import Bus
import Delivery
import NIOCore
import Outbox

/// One event loop's gateway: its sessions, its subscriber on the bus, its readers of backlogs, its delivery marks. It
/// joins these parts, and shares nothing with the other workers but what `NodeContext` holds.
///
/// Like its parts it is used on its loop only; that, and not a lock, is what makes it safe to name in closures that run
/// there.
public final class Worker: @unchecked Sendable {
    /// From 0; a session's id names it.
    let number: Int
    let eventLoop: any EventLoop
    let context: NodeContext
    /// In which what clients have sent is dealt with by and by.
    public let turns: TurnQueue
    let flushQueue: FlushQueue
    let sessions: SessionTable
    let history: DeliveryHistory
    let origins: OriginCheck
    /// Those that are traced.
    let followed: FollowedMessages
    let feed: LiveFeed
    let marks: MarkWriter
    let sends: SendWriter
    let presence: PresenceWriter
    let backlogs: BacklogReader
    private let topics: TopicReader
    private let reconciler: Reconciler
    private var shutdown = WorkerShutdown()
    var clientNames = ClientNames()

    init(number: Int, eventLoop: any EventLoop, context: NodeContext) {
        self.number = number
        self.eventLoop = eventLoop
        self.context = context
        turns = TurnQueue(eventLoop: eventLoop)
        flushQueue = FlushQueue(eventLoop: eventLoop)
        sessions = SessionTable(now: .now())
        followed = FollowedMessages(context.trace)
        marks = MarkWriter(eventLoop: eventLoop, context: context, flushQueue: flushQueue, followed: followed)
        sends = SendWriter(eventLoop: eventLoop, context: context, flushQueue: flushQueue)
        presence = PresenceWriter(eventLoop: eventLoop, context: context)
        history = DeliveryHistory(now: .now(), marks: marks)
        origins = OriginCheck(eventLoop: eventLoop, context: context)
        feed = LiveFeed(
            eventLoop: eventLoop, context: context, origins: origins, flushQueue: flushQueue, followed: followed)
        backlogs = BacklogReader(eventLoop: eventLoop, context: context, origins: origins, flushQueue: flushQueue)
        topics = TopicReader(eventLoop: eventLoop, context: context, origins: origins, flushQueue: flushQueue)
        reconciler = Reconciler(
            eventLoop: eventLoop, context: context, feed: feed, origins: origins, flushQueue: flushQueue)
        wire()
    }

    /// What one part brings about for the others. Weakly: an answer may come back to a part when its worker is gone.
    private func wire() {
        feed.onOpen = { [weak self] in self?.opened($0) }
        feed.onBusLost = { [weak reconciler] in reconciler?.beginWithNextTick() }
        origins.onIncarnationChange = { [weak self] in self?.incarnationChanged() }
        origins.onResume = { [weak self] in self?.readEverythingAgain() }
        backlogs.onSessionEnd = { [marks] in marks.ended($0) }
        reconciler.onMissed = { [weak self] in self?.wantsPage($0) }
        reconciler.onTopicLook = { [weak self] in self?.payReceipts(of: $0) }
        marks.onRefusalCommit = { [weak history] in history?.refusalCommitted($0) }
        let pressureChanged = { [sessions] in for session in sessions.all { session.pauseOrResumeReading() } }
        marks.onPressureChange = pressureChanged
        sends.onPressureChange = pressureChanged
        marks.onEmpty = { [weak self] in self?.settleShutdown() }
        sends.onEmpty = { [weak self] in self?.settleShutdown() }
    }

    /// Connects to the bus and starts the clock; on the worker's event loop.
    func start() {
        eventLoop.preconditionInEventLoop()
        feed.start()
        shutdown.started(
            eventLoop.scheduleRepeatedTask(initialDelay: TickWheel.tick, delay: TickWheel.tick) { _ in
                self.tick(at: .now())
            })
    }

    /// Time has passed.
    func tick(at now: NIODeadline) {
        sessions.tick(at: now)
        history.tick(at: now, readingSince: backlogs.readingSince)
        marks.tick(at: now)
        followed.tick(at: now)
        sends.tick(at: now)
        origins.resume(at: now)
        flushQueue.flush()
        reconciler.tick(at: now)
    }
}

// MARK: Sessions

extension Worker {
    /// A transport is there: a session begins, not yet authenticated. On the worker's event loop.
    public func open(transport: any SessionTransport, of connection: ClientConnection) -> Session {
        let session = Session(
            id: SessionID(worker: number), worker: self, transport: transport, connection: connection)
        sessions.add(session)
        context.metrics.sessionOpened()
        if shutdown.isStopping || shutdown.isDraining {
            session.failAtOnce(.shuttingDown)
        } else if context.occupancy.enter() {
            sessions.entered(session)
        } else {
            session.fail(.overloaded)
        }
        sessions.file(session)
        session.pauseOrResumeReading()
        return session
    }

    /// A transport is gone for good.
    public func transportClosed() {
        sessions.transportClosed()
        settleShutdown()
    }

    /// A session has ended, for whatever reason: what it had not acknowledged goes back.
    func ended(_ session: Session, reason: CloseReason) {
        guard let wasCounted = sessions.remove(session) else { return }
        context.metrics.sessionClosed(reason)
        if wasCounted { context.occupancy.leave() }
        guard let user = session.user else { return }
        context.occupancy.leave(user: user)
        presence.ended(session.id)
        let unacknowledged = session.takeConsumers().flatMap { leave($0, sessionGoesOn: false) }
        backlogs.sessionEnded(session.id, receiver: user, unacknowledged: unacknowledged.map(\.id))
    }

    /// Others took this node for dead and removed its sessions' rows.
    func forgotten() {
        backlogs.forgotten()
        for session in sessions.all { presence.opened(session) }
        readEverythingAgain()
    }
}

// MARK: Subscriptions

extension Worker {
    /// A subscription has ended. Returns what is to come back marked `redelivered`.
    func leave(_ consumer: Consumer, sessionGoesOn: Bool) -> [MessageStamp] {
        let (unacknowledged, wasQueued) = consumer.end(sessionGoesOn: sessionGoesOn)
        if wasQueued { if consumer.isTopic { topics.consumerEnded() } else { backlogs.consumerEnded() } }
        feed.leave(consumer)
        followed.gaveBack(unacknowledged, on: consumer)
        return unacknowledged
    }

    /// The consumer may want a page of its backlog.
    func wantsPage(_ consumer: Consumer) {
        if consumer.isTopic { topics.wantsPage(consumer) } else { backlogs.wantsPage(consumer) }
    }

    /// The consumer's channel is open, or is done without.
    private func opened(_ consumer: Consumer) {
        if feed.audience(at: consumer.address)?.hasLooked == false {
            // Only once it is known what the outbox held before can reconcile tell what was missed: the receipt waits.
            reconciler.beginSoon()
        } else {
            consumer.session.payOwedReceipt(of: consumer)
        }
        wantsPage(consumer)
    }

    private func payReceipts(of audience: Audience) {
        for consumer in audience.consumers where !consumer.isOpening { consumer.session.payOwedReceipt(of: consumer) }
    }

    /// A client has acknowledged these or, in mode `auto`, the socket took them.
    func acknowledged(_ stamps: [MessageStamp], on consumer: Consumer) {
        guard !stamps.isEmpty else { return }
        followed.acknowledged(stamps, on: consumer)
        marks.acknowledged(stamps, on: consumer)
        wantsPage(consumer)
    }

    /// A client has acknowledged these, and their marks are committed.
    func acknowledgedAlready(_ stamps: [MessageStamp], on consumer: Consumer) {
        guard !stamps.isEmpty else { return }
        followed.acknowledged(stamps, on: consumer)
        context.metrics.acknowledged(stamps.count)
        wantsPage(consumer)
    }

    /// A client has refused these.
    func refused(_ stamps: [MessageStamp], on consumer: Consumer) {
        guard !stamps.isEmpty else { return }
        followed.refused(stamps, on: consumer)
        marks.refused(stamps, on: consumer)
        wantsPage(consumer)
    }

    // MARK: PostgreSQL came back as another one

    /// Transaction ids seen before mean nothing any more.
    private func incarnationChanged() {
        history.incarnationChanged()
        marks.incarnationChanged()
        for session in sessions.all { presence.opened(session) }
        for audience in feed.all { audience.incarnationChanged() }
        readEverythingAgain()
        reconciler.beginSoon()
    }

    /// Every subscription reads its backlog from the start.
    private func readEverythingAgain() {
        for audience in feed.all {
            for consumer in audience.consumers {
                consumer.incarnationChanged()
                wantsPage(consumer)
            }
        }
    }
}

// MARK: Stopping

extension Worker {
    /// The node is going to stop: ends a session at a moment of its own, so that the clients of a node do not come back
    /// to the others all at once. Until then it goes on as before.
    func drain(_ session: Session) {
        let spread = DrainSpread(sessions: context.occupancy.sessions, limit: TimeAmount(context.limits.drainSpread))
        guard !shutdown.isStopping, let delay = spread.delay() else { return session.failAtOnce(.shuttingDown) }
        eventLoop.scheduleTask(in: delay) { session.failAtOnce(.shuttingDown) }
    }

    /// The same of all sessions. Those that come from now on are ended at once.
    func drain() {
        guard !shutdown.isDraining else { return }
        shutdown.isDraining = true
        for session in sessions.all { drain(session) }
    }

    /// Whether a client is connected, or has still to be told of its session's end.
    var hasClients: Bool { sessions.count > 0 || sessions.hasTransports }

    /// Ends what is left; fulfilled once the marks are written and the sockets are gone. On the worker's event loop.
    ///
    /// - Parameter limit: after it the rest is left as it is: PostgreSQL may be away, and what is unmarked is
    ///   redelivered.
    func stop(within limit: TimeAmount = .seconds(5)) -> EventLoopFuture<Void> {
        let stopped = shutdown.begin(on: eventLoop)
        eventLoop.scheduleTask(in: limit) { self.endShutdown() }
        for session in sessions.all { session.failAtOnce(.shuttingDown) }
        flushQueue.flush()
        marks.scheduleWrite()
        settleShutdown()
        return stopped
    }

    /// Fulfils `stop` if nothing is left to wait for.
    private func settleShutdown() {
        if shutdown.isStopping, marks.isEmpty, sends.isEmpty, !sessions.hasTransports { endShutdown() }
    }

    private func endShutdown() {
        feed.close()
        presence.onTooMany = { _ in }
        for promise in shutdown.end() { promise.succeed() }
    }
}
