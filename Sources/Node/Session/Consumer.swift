import BelfryModel
import Delivery
import Outbox
import Postgres
import STOMP

/// One subscription of a session: joins its pure machine with the session that its messages go to. Lives on the
/// session's event loop.
final class Consumer: @unchecked Sendable {
    let session: Session
    let subscription: Subscription
    let address: Address
    /// How its messages are acknowledged; see `isAcknowledgedByCommand`.
    let ackMode: AckMode
    /// By SENDs to `/app/ack` alone, one message at a time.
    let isAcknowledgedByCommand: Bool
    private var machine: DeliveryMachine
    /// How much is unread, if it is to be told of that.
    private let unread: UnreadNotice?
    /// The receipt that SUBSCRIBE asked for, owed once messages flow.
    private var owedReceipt: String?
    /// The last message appended in mode `auto` since the last flush: it and those before it count as delivered when
    /// that has been written.
    private var lastUnflushed: MessageID?
    /// It waits in a reader's line.
    private var isQueued = false
    private(set) var isEnded = false

    /// - Parameter user: the session's.
    init(session: Session, user: String, request: SubscriptionRequest, limits: Limits, history: DeliveryHistory) {
        self.session = session
        self.subscription = request.subscription
        self.address = request.subscription.destination.address(for: user)
        isAcknowledgedByCommand = session.connection.acknowledgesByCommand && !request.namesAckMode
        ackMode = isAcknowledgedByCommand ? .clientIndividual : request.subscription.ackMode
        self.owedReceipt = request.receipt
        unread = request.wantsUnread ? UnreadNotice(request.subscription, of: session.id) : nil
        let source: DeliveryMachine.Source =
            switch address {
            case .user: .queue
            case .topic: .topic(after: request.lastMessageID)
            }
        self.machine = DeliveryMachine(
            source: source, countsUnread: request.wantsUnread, ackMode: ackMode,
            bounds: DeliveryMachine.Bounds(
                inFlightMax: min(limits.inFlightMax, request.subscription.prefetchCount ?? .max),
                heldMax: limits.heldMessagesMax, heldBytesMax: limits.heldBytesMax),
            history: history)
    }

    // MARK: Questions

    var isTopic: Bool {
        if case .topic = address { true } else { false }
    }

    /// The receiver whose rows its messages are; empty for a topic.
    var receiver: String {
        if case .user(let user) = address { user } else { "" }
    }

    var isOpening: Bool { machine.isOpening }
    var isLive: Bool { machine.isLive }
    var wantsPage: Bool { machine.wantsPage }
    /// Whether the next page is to come with a count of what is unread.
    var wantsCount: Bool { machine.wantsCount }

    /// Whether a message was counted by what its client was told to be unread.
    func hasCounted(_ message: Message) -> Bool { unread?.hasCounted(message.xid) ?? false }

    func lacks(_ row: MessageStamp) -> Bool { machine.lacks(row) }

    // MARK: From backlog to live

    /// Its channel is open, or is done without.
    func channelOpened() { machine.channelOpened() }

    /// Takes the receipt that its SUBSCRIBE is still owed.
    func takeOwedReceipt() -> String? { exchange(&owedReceipt, with: nil) }

    /// Sends a live message, if it is for now and no repeat.
    func deliver(_ message: inout Message) {
        guard session.mayReceive, case .send(let isRedelivered) = machine.liveReceived(&message) else { return }
        session.send(message, isRedelivered: isRedelivered, on: self)
    }

    /// Gets in line for a page. Returns whether it was not in line already.
    func getInLine() -> Bool {
        guard !isQueued, !isEnded else { return false }
        isQueued = true
        return true
    }

    /// Its turn in the line has come. Returns the page that it wants, if it still wants one.
    func takeTurn() -> PageRequest? {
        isQueued = false
        return isEnded ? nil : machine.nextPage()
    }

    /// How much is unread, under the snapshot of the page that answers `request`, too: said before `pageRead`.
    ///
    /// - Parameter counts: `nil` where histories are not kept.
    func countRead(_ counts: InboxStore.Counts?, under snapshot: TransactionSnapshot, for request: PageRequest) {
        guard !isEnded, session.mayReceive, let unread, machine.countRead(generation: request.generation) else {
            return
        }
        session.write(unread.frame(counts, under: snapshot))
    }

    /// A page that was to come with a count could not be read.
    ///
    /// - Returns: whether the next one is to come without.
    func countFailed(_ error: PostgresError) -> Bool {
        guard !isEnded, session.mayReceive, machine.wantsCount, let notice = unread?.countFailed(error) else {
            return false
        }
        machine.countGivenUp()
        session.write(notice)
        return true
    }

    /// The answer to `request` is there.
    func pageRead(_ page: some BacklogPage, for request: PageRequest) {
        guard !isEnded, session.mayReceive else { return }
        machine.pageRead(
            page, generation: request.generation, now: UnixTime.milliseconds,
            takesMore: { session.takesMoreBacklog() },
            send: { message, isRedelivered in session.send(message, isRedelivered: isRedelivered, on: self) })
    }

    func pageFailed() { machine.pageFailed() }
    func missedRowFound() { machine.missedRowFound() }
    func incarnationChanged() { machine.incarnationChanged() }
    func roomMade() { machine.roomMade() }

    // MARK: Answers

    /// A message of it was appended. Returns whether it is the first since the last flush in mode `auto`.
    func appended(_ id: MessageID) -> Bool {
        guard ackMode == .auto else { return false }
        return exchange(&lastUnflushed, with: id) == nil
    }

    /// What was appended is being flushed. Returns the last message in mode `auto`.
    func takeUnflushed() -> MessageID? { exchange(&lastUnflushed, with: nil) }

    /// What an acknowledgement of the message would take out of flight.
    var inFlightCount: Int { machine.inFlightCount }

    func inFlight(upTo id: MessageID) -> [MessageStamp] { machine.inFlight(upTo: id) }
    func acknowledged(_ id: MessageID) -> [MessageStamp] { machine.acknowledged(id) }
    func refused(_ id: MessageID) -> [MessageStamp] { machine.refused(id) }

    /// Messages that have been in flight since it was asked last go back, and come again. Returns them.
    func giveBackUnanswered() -> [MessageStamp] { machine.giveBackUnanswered() }

    /// It is over. Returns what its user's messages had in flight; of broadcasts nothing. Said again, it returns
    /// nothing.
    ///
    /// - Returns: whether it was in line, too.
    func end(sessionGoesOn: Bool) -> (unacknowledged: [MessageStamp], wasQueued: Bool) {
        guard !isEnded else { return ([], false) }
        isEnded = true
        return (machine.ended(sessionGoesOn: sessionGoesOn), isQueued)
    }
}
