import BelfryModel
import Postgres

/// What a node tells of itself every two seconds.
public struct NodeHeartBeat: Sendable {
    public let host: String
    public let processID: Int
    public let listen: String
    public let sessions: Int

    public init(host: String, processID: Int, listen: String, sessions: Int) {
        self.host = host
        self.processID = processID
        self.listen = listen
        self.sessions = sessions
    }

    /// What PostgreSQL answered.
    public struct Answer: Sendable {
        /// The row was not there: this is the first beat, or others took this node for dead and removed its sessions.
        public let wasForgotten: Bool
        /// The life of the PostgreSQL that answered: when it changes, transaction ids that were seen before may have
        /// been lost and given out anew.
        public let incarnation: UniqueID
        /// The present leader's term.
        public let term: Int64
        /// The id of the heart-beat's transaction. The next one's is higher, and its term no lower, unless PostgreSQL
        /// was put back to an earlier state.
        public let transaction: Int64
    }
}

/// A session whose row is to be written with a reading: before the first one of its user's backlog, and again when the
/// row may be missing.
public struct SessionOpening: Sendable {
    public let sessionID: String
    public let receiver: String

    public init(sessionID: String, receiver: String) {
        self.sessionID = sessionID
        self.receiver = receiver
    }
}

/// One page of one user's backlog, asked for.
public struct BacklogRead: Sendable {
    public let receiver: String
    /// Rows with greater ids only.
    public let after: MessageID
    /// Rows visible in it only, and those with a transaction id that this cluster has not given out yet (from another
    /// cluster, to be stamped anew); `nil` on the first page, whose answer brings it.
    public let snapshot: TransactionSnapshot?
    /// Rows not visible in it only: those were dealt with by an earlier reading.
    public let covered: TransactionSnapshot?
    /// The reader's session, whose own row does not make a message `redelivered`.
    public let sessionID: String
    /// Whether how much is unread is to be counted under the same snapshot.
    public let countsUnread: Bool

    public init(
        receiver: String, after: MessageID, snapshot: TransactionSnapshot?, covered: TransactionSnapshot?,
        sessionID: String, countsUnread: Bool = false
    ) {
        self.receiver = receiver
        self.after = after
        self.snapshot = snapshot
        self.covered = covered
        self.sessionID = sessionID
        self.countsUnread = countsUnread
    }
}

/// Messages that were read: for a number of `BacklogRead`s, in their order, or of a topic; then by id.
public struct BacklogPages: Sendable {
    /// The snapshot under which all rows were read; `nil` only when PostgreSQL sent something unreadable.
    public let snapshot: TransactionSnapshot?
    /// The life of PostgreSQL that the snapshot and the transaction ids belong to; `nil` just after a crash, when it
    /// has no name yet.
    public let incarnation: UniqueID?
    private let result: PostgresResult
    /// Row numbers of messages in the result: the first row holds the snapshot, and counts follow it.
    public let rows: Range<Int>

    init(_ result: PostgresResult) {
        self.result = result
        let counts = result.rowCount > 0 ? Int(result.int64(0, 0) ?? 0) : 0
        rows = 1 + counts..<max(1 + counts, result.rowCount)
        self.snapshot = result.rowCount > 0 ? TransactionSnapshot(result.string(0, 6)) : nil
        self.incarnation = result.rowCount > 0 ? UniqueID(result.string(0, 5)) : nil
    }

    /// How much is unread, for one of the reads (from 0) that ask for it; `nil` where histories are not kept.
    public func unread(_ read: Int) -> InboxStore.Counts? {
        for row in 1..<rows.lowerBound where self.read(row) == read {
            guard let changes = result.int64(row, 1) else { return nil }
            return InboxStore.Counts(
                unviewed: Int(result.int64(row, 7) ?? 0), unseen: Int(result.int64(row, 8) ?? 0), changes: changes)
        }
        return nil
    }

    /// Which of the reads (from 0) a row answers; 0 where there was one.
    public func read(_ row: Int) -> Int { Int(result.int64(row, 0) ?? 1) - 1 }
    public func messageID(_ row: Int) -> MessageID { MessageID(rawValue: result.int64(row, 1) ?? 0) }
    public func xid(_ row: Int) -> UInt64 { UInt64(result.string(row, 2)) ?? 0 }
    /// When the row of the log was written, in Unix microseconds.
    public func createdAtMicroseconds(_ row: Int) -> Int64 { result.int64(row, 8) ?? 0 }
    public func isRedelivered(_ row: Int) -> Bool { result.bool(row, 3) }
    /// Whether the rows `rows`, which answer one read of `rowsMax` rows, are all there is: a page ends early when its
    /// messages are large. Not for `readBroadcasts`, which has no pages.
    public func isLast(_ rows: Range<Int>, rowsMax: Int) -> Bool {
        guard let first = rows.first else { return true }
        let candidates = Int(result.int64(first, 7) ?? 0)
        return candidates <= rows.count && candidates < rowsMax
    }
    /// STOMP 1.2 escaped header lines, each ended by a line feed.
    public func withHeaderLines<R>(_ row: Int, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try result.withBytes(row, 4, body)
    }
    /// The JSON body, UTF-8.
    public func withBody<R>(_ row: Int, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try result.withBytes(row, 5, body)
    }
}

/// A topic to be looked at by reconcile.
public struct TopicLook: Sendable {
    public let topic: String
    /// The snapshot of the last look: only what it does not see is listed. `nil` for a first look, which lists what the
    /// relay has not published yet.
    public let covered: TransactionSnapshot?
    /// Without `covered`, which means nothing in another incarnation: list also what was published from this time on,
    /// in Unix microseconds by PostgreSQL's clock.
    public let sinceMicroseconds: Int64?
    /// Greater ids only.
    public let after: MessageID

    public init(
        topic: String, covered: TransactionSnapshot?, sinceMicroseconds: Int64? = nil,
        after: MessageID = MessageID(rawValue: 0)
    ) {
        self.topic = topic
        self.after = after
        self.covered = covered
        self.sinceMicroseconds = sinceMicroseconds
    }
}

/// What the outbox holds for some users and topics: ids without contents.
public struct OutboxListing: Sendable {
    /// Broadcasts of one topic that are listed at a time: where there are as many, more may follow.
    public static let topicRowsMax = 50_000

    private let result: PostgresResult
    /// The snapshot under which it was listed; `nil` only when PostgreSQL sent something unreadable.
    public let snapshot: TransactionSnapshot?
    /// See `BacklogPages.incarnation`.
    public let incarnation: UniqueID?
    /// When it was listed, in Unix microseconds by PostgreSQL's clock.
    public let listedAtMicroseconds: Int64

    init(_ result: PostgresResult) {
        self.result = result
        self.incarnation = result.rowCount > 0 ? UniqueID(result.string(0, 0)) : nil
        self.listedAtMicroseconds = result.rowCount > 0 ? result.int64(0, 2) ?? 0 : 0
        self.snapshot = result.rowCount > 0 ? TransactionSnapshot(result.string(0, 3)) : nil
    }

    public var rows: Range<Int> { 1..<max(1, result.rowCount) }
    public func address(_ row: Int) -> Address {
        result.isNull(row, 0) ? .topic(result.string(row, 1)) : .user(result.string(row, 0))
    }
    public func messageID(_ row: Int) -> MessageID { MessageID(rawValue: result.int64(row, 2) ?? 0) }
    public func xid(_ row: Int) -> UInt64 { UInt64(result.string(row, 3)) ?? 0 }
    /// When the row of the log was written, in Unix microseconds; 0 but for broadcasts of a look without `covered`.
    public func createdAtMicroseconds(_ row: Int) -> Int64 { result.int64(row, 4) ?? 0 }
}

extension DeliveryMark {
    /// The SQL of `createdAtMicroseconds`: marks are compared by it, so that all statements have it from here.
    ///
    /// - Parameter row: a row of `belfry.message_log`, by its name in the statement.
    static func createdAt(of row: String) -> String {
        "(date_part('epoch', \(row).created_at) * 1000000)::bigint"
    }
}

/// What a statement of delivery marks changed.
public struct MarksWritten: Sendable {
    /// From the insertion to the marking, for each message that became `delivered`.
    public var deliveredAgesSeconds: [Double] = []
    /// Messages that became `parked`.
    public var parked: [MessageID] = []
    /// Messages of which nothing was changed, as another transaction holds a row of theirs: they are to be tried again.
    public var held: [MessageID] = []
    /// Refused messages whose row of the log is gone, and now that of the outbox, too.
    public var orphans: [MessageID] = []

    init(delivered result: PostgresResult) {
        for row in 0..<result.rowCount {
            if let id = result.int64(row, 0) {
                held.append(MessageID(rawValue: id))
            } else {
                deliveredAgesSeconds.append(result.double(row, 1) ?? 0)
            }
        }
    }

    init(refused result: PostgresResult) {
        for row in 0..<result.rowCount {
            let id = MessageID(rawValue: result.int64(row, 1) ?? 0)
            switch result.string(row, 0) {
            case "held": held.append(id)
            case "parked": parked.append(id)
            default: orphans.append(id)
            }
        }
    }

    init(closed result: PostgresResult) {
        held = (0..<result.rowCount).map { MessageID(rawValue: result.int64($0, 0) ?? 0) }
    }
}
