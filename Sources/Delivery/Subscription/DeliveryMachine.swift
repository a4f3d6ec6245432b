import BelfryModel

/// What one subscription does with its backlog, live messages, acknowledgements and repeats: the splice between backlog
/// and live, the ledger of what is in flight, and the history of what was answered before. Pure: the node and the
/// simulation that proves the promises drive this same type.
///
/// One method an event. A message that is to be sent is in flight from the moment in which the machine says so, until
/// its client acknowledges or refuses it, or the subscription ends.
public struct DeliveryMachine: ~Copyable {
    /// Where a subscription gets what was there before it.
    public enum Source: Equatable, Sendable {
        /// The outbox rows of its user.
        case queue
        /// A topic: live messages only, or first the log rows after this id. Once a message was delivered, what came
        /// after it can be read again.
        case topic(after: MessageID?)
    }

    /// What it may keep.
    public struct Bounds: Sendable {
        /// Messages in flight; further ones wait in PostgreSQL.
        public let inFlightMax: Int
        let held: Reading.Bounds

        /// - Parameters:
        ///   - heldMax: live messages kept while the backlog is read.
        ///   - heldBytesMax: bytes that they hold.
        public init(inFlightMax: Int, heldMax: Int, heldBytesMax: Int) {
            self.inFlightMax = inFlightMax
            held = Reading.Bounds(heldMax: heldMax, heldBytesMax: heldBytesMax)
        }
    }

    private let inFlightMax: Int
    private let history: DeliveryHistory
    // Exactly one of the two.
    private var queue: QueueSplice?
    private var topic: TopicSplice?
    private var ledger: AckLedger
    /// What was in flight when unanswered messages were given back last.
    private var watched: Set<MessageStamp> = []

    /// - Parameters:
    ///   - countsUnread: a queue's first page is to come with a count of what is unread, and so is that after another
    ///     incarnation.
    ///   - history: of the subscription's event loop.
    public init(
        source: Source, countsUnread: Bool = false, ackMode: AckMode, bounds: Bounds, history: DeliveryHistory
    ) {
        self.inFlightMax = bounds.inFlightMax
        self.history = history
        self.ledger = AckLedger(mode: ackMode)
        switch source {
        case .queue:
            queue = QueueSplice(bounds: bounds.held, countsUnread: countsUnread)
            topic = nil
        case .topic(let after):
            queue = nil
            topic = TopicSplice(after: after, bounds: bounds.held)
        }
    }

    // MARK: Questions

    /// Whether its channel is not open yet.
    public var isOpening: Bool { queue?.isOpening ?? topic?.isOpening ?? false }

    /// Whether live messages go straight through.
    public var isLive: Bool { queue?.isLive ?? topic?.isLive ?? false }

    /// Whether `nextPage` would give a page.
    public var wantsPage: Bool { queue?.wantsPage ?? topic?.wantsPage ?? false }

    /// Whether the page that is wanted next is to come with a count of what is unread.
    public var wantsCount: Bool { queue?.wantsCount ?? false }

    /// Whether another message may be in flight.
    public var hasRoom: Bool { ledger.count < inFlightMax }

    /// Whether a row that the outbox holds for its user is neither in flight nor covered by a reading nor answered: the
    /// bus may be about to bring it, or has lost it. Of a live subscription only; a reading finds out by itself.
    public func lacks(_ row: MessageStamp) -> Bool {
        isLive && !ledger.contains(row.id) && queue?.covered?.sees(row.xid) != true
            && !history.isAnswered(row.id, xid: row.xid)
    }

    // MARK: Live messages

    /// The channel is open (again), or the bus is away and PostgreSQL is all there is: what was missed is to be read.
    public mutating func channelOpened() {
        queue?.channelOpened()
        topic?.channelOpened()
    }

    /// A live message has arrived. If it is to be sent it is in flight from now on.
    ///
    /// - Parameter message: has memory of its own once a subscription holds it; handed on to the next, it is shared.
    public mutating func liveReceived(_ message: inout Message) -> Outcome {
        if isRepeat(message.stamp) { return .drop }
        let hasRoom = hasRoom
        let verdict =
            queue?.liveReceived(&message, hasRoom: hasRoom) ?? topic?.liveReceived(&message, hasRoom: hasRoom)
        switch verdict {
        case .deliver: return .send(isRedelivered: sending(message))
        case .hold: return .hold
        case .drop, nil: return .drop
        }
    }

    /// What becomes of a live message.
    public enum Outcome: Equatable, Sendable {
        case send(isRedelivered: Bool)
        /// It comes by `pageRead`, once the backlog is through.
        case hold
        /// It is a repeat, or PostgreSQL will bring it.
        case drop
    }

    /// In flight already, or answered a moment ago.
    private func isRepeat(_ stamp: MessageStamp) -> Bool {
        ledger.contains(stamp.id, createdAtMicroseconds: stamp.createdAtMicroseconds)
            || topic == nil && history.isAnswered(stamp)
    }

    /// The message goes out. Returns whether its client may have seen it before.
    private mutating func sending(_ message: Message) -> Bool {
        ledger.append(message.stamp)
        guard topic != nil else { return message.isRedelivered || history.wasHandedBack(message.stamp) }
        topic?.delivered(message.id)
        return message.isRedelivered
    }

    // MARK: The backlog

    /// The page that is wanted now, if any. Asking marks it as requested.
    public mutating func nextPage() -> PageRequest? { queue?.nextPage() ?? topic?.nextPage() }

    /// The count that `nextPage` asked for is there, and is to be told before `pageRead`. Under the page's snapshot it
    /// has counted what the backlog brings, and nothing of what comes behind it.
    ///
    /// - Parameter generation: the request's.
    /// - Returns: whether to tell it; the answer to a request that was overtaken is ignored.
    public mutating func countRead(generation: Int) -> Bool { queue?.countRead(generation: generation) ?? false }

    /// There is no count to be had: the backlog is to come without.
    public mutating func countGivenUp() { queue?.countGivenUp() }

    /// The answer to `nextPage` is there: sends its rows, as far as there is room, and behind the last page what was
    /// held.
    ///
    /// - Parameters:
    ///   - generation: the request's; the answer to one that was overtaken is ignored.
    ///   - now: milliseconds since 1970.
    ///   - takesMore: whether the client takes more bytes now; after `false` the caller says `roomMade` when he does.
    ///   - send: sends a message, which is in flight from then on.
    public mutating func pageRead(
        _ page: some BacklogPage, generation: Int, now: Int64, takesMore: () -> Bool,
        send: (Message, _ isRedelivered: Bool) -> Void
    ) {
        guard queue?.isCurrent(generation: generation) ?? topic?.isCurrent(generation: generation) ?? false else {
            return
        }
        var last: MessageID?
        for row in 0..<page.rowCount {
            let stamp = page.stamp(row)
            if topic?.brings(stamp.id) ?? true, !isRepeat(stamp) {
                guard hasRoom, takesMore() else {
                    queue?.pageCutShort(last: last, snapshot: page.snapshot)
                    topic?.pageCutShort(last: last, snapshot: page.snapshot)
                    return
                }
                let message = page.message(row)
                send(message, sending(message))
            }
            last = stamp.id
        }
        sendHeld(
            queue?.pageSent(last: last, snapshot: page.snapshot, isLast: page.isLast)
                ?? topic?.pageSent(last: last, snapshot: page.snapshot, isLast: page.isLast) ?? [],
            now: now, send: send)
    }

    private mutating func sendHeld(_ held: [Message], now: Int64, send: (Message, _ isRedelivered: Bool) -> Void) {
        for (place, message) in held.enumerated() where !isRepeat(message.stamp) {
            guard hasRoom else {
                queue?.heldCutShort()
                topic?.heldCutShort(held[place...])
                return
            }
            guard !message.isExpired(atMilliseconds: now) else { continue }
            send(message, sending(message))
        }
    }

    /// The page could not be read: it is wanted again.
    public mutating func pageFailed() {
        queue?.pageFailed()
        topic?.pageFailed()
    }

    /// A reconcile found that its user's messages were missed, this subscription's perhaps: it reads its backlog once
    /// more.
    public mutating func missedRowFound() { queue?.missedRowFound() }

    /// PostgreSQL came back as another incarnation: the backlog is read from its start.
    public mutating func incarnationChanged() {
        queue?.incarnationChanged()
        topic?.incarnationChanged()
    }

    /// The client takes bytes again.
    public mutating func roomMade() {
        guard hasRoom else { return }
        queue?.roomMade()
        topic?.roomMade()
    }

    // MARK: Answers

    /// What `acknowledged` would take out of flight now.
    public var inFlightCount: Int { ledger.count }

    public func inFlight(upTo id: MessageID) -> [MessageStamp] { ledger.covered(by: id) }

    /// The client has acknowledged a message or, in mode `auto`, its bytes have left for the socket. Returns what that
    /// takes out of flight, to be marked: nothing when it is not in flight.
    public mutating func acknowledged(_ id: MessageID) -> [MessageStamp] {
        let stamps = ledger.take(id)
        if topic == nil { for stamp in stamps { history.acknowledged(stamp) } }
        if !stamps.isEmpty { makeRoom() }
        return stamps
    }

    /// The client has refused a message. Returns what that takes out of flight. A user's messages are to be put off; a
    /// broadcast that one of many refuses stays as it is.
    public mutating func refused(_ id: MessageID) -> [MessageStamp] {
        let stamps = ledger.take(id)
        if topic == nil { for stamp in stamps { history.refused(stamp) } }
        if !stamps.isEmpty { makeRoom() }
        return stamps
    }

    /// Gives back what was in flight already when this was asked last, and has its queue read again: those messages
    /// come once more. Of a topic nothing.
    ///
    /// - Returns: what is to be marked as redelivered.
    public mutating func giveBackUnanswered() -> [MessageStamp] {
        guard topic == nil else { return [] }
        let unanswered = ledger.all.filter(watched.contains)
        for stamp in unanswered { ledger.remove(stamp) }
        watched = Set(ledger.all)
        guard !unanswered.isEmpty else { return [] }
        for stamp in unanswered { history.gaveBack(stamp) }
        queue?.readAgain()
        return unanswered
    }

    /// Enough has been answered to read on after there was no room.
    private mutating func makeRoom() {
        guard ledger.count <= inFlightMax / 2 else { return }
        queue?.roomMade()
        topic?.roomMade()
    }

    /// The subscription has ended. Returns what its client had not answered, to be marked as redelivered: of a topic
    /// nothing.
    ///
    /// - Parameter sessionGoesOn: then its row in `belfry.session` does not tell that its messages were shown, and the
    ///   history has to until they are marked.
    public mutating func ended(sessionGoesOn: Bool) -> [MessageStamp] {
        queue?.ended()
        topic?.ended()
        let stamps = ledger.drain()
        guard topic == nil else { return [] }
        if sessionGoesOn { for stamp in stamps { history.gaveBack(stamp) } }
        return stamps
    }
}
