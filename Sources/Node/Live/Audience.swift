import BelfryModel
import Delivery
import NIOCore

/// Everybody on one event loop who is subscribed to one address.
final class Audience: @unchecked Sendable {
    let address: Address
    private(set) var consumers: [Consumer] = []
    /// The bus has said that the channel's messages flow.
    private(set) var isOpen = false
    private var queueWatch = QueueWatch()
    /// What was broadcast to a topic and handed out here; `nil` for users.
    private var topicWatch: TopicWatch?

    /// - Parameter topicHold: how long a broadcast stays in the outbox.
    init(address: Address, now: NIODeadline, topicHold: TimeAmount) {
        self.address = address
        if case .topic = address { topicWatch = TopicWatch(now: now, hold: topicHold) }
    }

    /// The user whose queue it is; `nil` for a topic.
    var user: String? {
        if case .user(let user) = address { user } else { nil }
    }

    var isEmpty: Bool { consumers.isEmpty }

    func add(_ consumer: Consumer) { consumers.append(consumer) }

    func remove(_ consumer: Consumer) {
        guard let index = consumers.firstIndex(where: { $0 === consumer }) else { return }
        consumers.swapAt(index, consumers.count - 1)
        consumers.removeLast()
    }

    func channelOpened() { isOpen = true }
    func channelClosed() { isOpen = false }

    // MARK: Live messages

    /// Hands a live message, or a broadcast that was missed, to everybody here, unless it has expired or is a repeat.
    ///
    /// - Parameter now: since 1970.
    func deliver(_ message: Message, atMilliseconds now: Int64) {
        guard !message.isExpired(atMilliseconds: now),
            topicWatch?.take(message.stamp) ?? true
        else { return }
        var message = message
        for consumer in consumers { consumer.deliver(&message) }
    }

    // MARK: Reconcile

    /// Whether it is known what was there before anybody here listened: from then on nothing is missed.
    var hasLooked: Bool { topicWatch?.hasLooked ?? true }

    /// Of a topic: the snapshot of the last look, from which the next one starts; `nil` before the first.
    var lastLook: TransactionSnapshot? { topicWatch?.covered }
    /// Of a topic: when the first look was, in Unix microseconds by PostgreSQL's clock.
    var firstLookMicroseconds: Int64? { topicWatch?.sinceMicroseconds }

    /// Rows that a look found lacking: the second look should come early.
    var hasSuspects: Bool { !queueWatch.suspects.isEmpty || topicWatch?.suspects.isEmpty == false }

    /// Whether a user's rows are to be looked at: while all read their backlogs they find out by themselves.
    var wantsLook: Bool { consumers.contains { $0.isLive } }

    /// A look has listed a user's rows of the outbox. Returns those who missed some of them, and have begun to read.
    func listed(_ rows: [MessageStamp], isBusAvailable: Bool) -> [Consumer] {
        guard !rows.isEmpty || !queueWatch.suspects.isEmpty else { return [] }
        let missed = queueWatch.listed(rows, isBusAvailable: isBusAvailable) { row in
            consumers.contains { $0.lacks(row) }
        }
        guard !missed.isEmpty else { return [] }
        let behind = consumers.filter { consumer in missed.contains { consumer.lacks($0) } }
        for consumer in behind { consumer.missedRowFound() }
        return behind
    }

    /// A look at a topic, begun at `now` by PostgreSQL's clock, has listed its broadcasts. Returns those that were
    /// missed.
    func listed(
        _ rows: [MessageStamp], snapshot: TransactionSnapshot, at now: Int64, isBusAvailable: Bool
    ) -> [MessageID] {
        topicWatch?.listed(rows, snapshot: snapshot, at: now, isBusAvailable: isBusAvailable) ?? []
    }

    /// Missed broadcasts were read and handed out, as far as they were still there.
    func readMissed(_ ids: some Sequence<MessageID>) { topicWatch?.readMissed(ids) }

    func tick(at now: NIODeadline) { topicWatch?.tick(at: now) }

    /// PostgreSQL came back as another incarnation: what was looked at means nothing any more.
    func incarnationChanged() { topicWatch?.incarnationChanged() }
}
