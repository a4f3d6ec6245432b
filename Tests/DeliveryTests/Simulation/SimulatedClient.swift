import BelfryModel
import NIOCore

@testable import Delivery

/// A client with one subscription: the machine, the history, the marks and the watches are those of a node, driven as a
/// node drives them; what is simulated is the client who gets and answers the messages.
final class SimulatedClient {
    struct Settings {
        var inFlightMax = 6
        var heldMax = 4
        var rowsMax = 3
        var isTopic = false
        var countsUnread = false
        var lastMessageID: MessageID?
    }

    /// A page as PostgreSQL answered it.
    struct Page: BacklogPage {
        let rows: [SimulatedDatabase.Row]
        let snapshot: TransactionSnapshot
        let rowsMax: Int
        /// How much was unread under the snapshot, if that was asked for: nobody views anything here.
        var unread: Int?

        var rowCount: Int { rows.count }
        var isLast: Bool { rows.count < rowsMax }
        func stamp(_ row: Int) -> MessageStamp { rows[row].stamp }
        func message(_ row: Int) -> Message { SimulatedClient.message(rows[row]) }
    }

    let settings: Settings
    private var machine: DeliveryMachine
    private let history: DeliveryHistory
    private let marks: Marks
    private var queueWatch = QueueWatch()
    private var topicWatch = TopicWatch(now: .now())
    /// What the client got, in order.
    private(set) var delivered: [SimulatedDatabase.Row] = []
    /// What the client has got and not acknowledged.
    private(set) var inFlight: [MessageID] = []
    /// What it was told to be unread, and what came since.
    private(set) var unread: Int?
    private var counted: TransactionSnapshot?

    private final class Marks: UncommittedMarks {
        var queue = MarkQueue(marksMax: 10_000)

        var pending: PendingMarks { queue.pending }
        func holdsAnswer(_ id: MessageID, createdAtMicroseconds: Int64?) -> Bool {
            queue.holdsAnswer(id, createdAtMicroseconds: createdAtMicroseconds)
        }
        func holdsGivenBack(_ id: MessageID) -> Bool { queue.holdsGivenBack(id) }
    }

    init(_ settings: Settings) {
        self.settings = settings
        let marks = Marks()
        self.marks = marks
        history = DeliveryHistory(now: .now(), marks: marks)
        machine = DeliveryMachine(
            source: settings.isTopic ? .topic(after: settings.lastMessageID) : .queue,
            countsUnread: settings.countsUnread, ackMode: .clientIndividual,
            bounds: .init(inFlightMax: settings.inFlightMax, heldMax: settings.heldMax, heldBytesMax: .max),
            history: history)
    }

    var isLive: Bool { machine.isLive }

    // MARK: Messages

    func channelOpened() { machine.channelOpened() }

    func live(_ row: SimulatedDatabase.Row) {
        if settings.isTopic, !topicWatch.take(row.stamp) { return }
        var message = Self.message(row)
        if case .send = machine.liveReceived(&message) { got(message) }
    }

    private func got(_ message: Message) {
        delivered.append(SimulatedDatabase.Row(id: message.id, xid: message.xid))
        inFlight.append(message.id)
        if counted?.sees(message.xid) == false { unread? += 1 }
    }

    func nextPage() -> PageRequest? { machine.nextPage() }

    func pageRead(_ page: Page, for request: PageRequest) {
        if let unread = page.unread, machine.countRead(generation: request.generation) {
            (self.unread, counted) = (unread, page.snapshot)
        }
        machine.pageRead(
            page, generation: request.generation, now: 0, takesMore: { true }, send: { message, _ in got(message) })
    }

    func pageFailed() { machine.pageFailed() }

    // MARK: Answers

    func acknowledge(_ id: MessageID) {
        if let place = inFlight.firstIndex(of: id) { inFlight.remove(at: place) }
        for stamp in machine.acknowledged(id) where !settings.isTopic {
            marks.queue.delivered(DeliveryMark(stamp, receiver: "alice"))
        }
    }

    /// The marks of the next statement.
    func nextMarks() -> [DeliveryMark]? {
        guard marks.queue.isWriting || marks.queue.begin() else { return nil }
        guard case .delivered(let next) = marks.queue.next() else { return nil }
        return next
    }

    /// That statement has committed.
    ///
    /// - Parameter held: what another transaction held.
    func marksCommitted(leaving held: [MessageID]) {
        marks.queue.committed(leaving: held)
        guard marks.queue.next() == nil else { return }
        _ = marks.queue.batchEnded()
        marks.queue.retryHeld()
    }

    // MARK: PostgreSQL

    /// A reconcile's answer.
    func reconciled(_ rows: [SimulatedDatabase.Row], under snapshot: TransactionSnapshot) {
        if settings.isTopic {
            let fresh = rows.map(\.stamp).filter { topicWatch.covered?.sees($0.xid) != true }
            let missed = topicWatch.listed(fresh, snapshot: snapshot, at: 0, isBusAvailable: false)
            for row in rows where missed.contains(row.id) { live(row) }
            topicWatch.readMissed(missed)
            return
        }
        let missed = queueWatch.listed(rows.map(\.stamp), isBusAvailable: false) { machine.lacks($0) }
        if missed.contains(where: { machine.lacks($0) }) { machine.missedRowFound() }
    }

    func incarnationChanged() {
        history.incarnationChanged()
        topicWatch.incarnationChanged()
        machine.incarnationChanged()
    }

    static func message(_ row: SimulatedDatabase.Row) -> Message {
        Message(
            stamp: row.stamp, expiresAtMilliseconds: nil, isRedelivered: false, headerLines: ByteBuffer(),
            body: ByteBuffer())
    }
}

extension SimulatedDatabase.Row {
    /// Ids are given out once here, so that they can stand for the time of writing.
    var stamp: MessageStamp { MessageStamp(id: id, xid: xid, createdAtMicroseconds: id.rawValue) }
}
