import BelfryModel
import Postgres

/// How far the relay has published: every row visible in `snapshot`, and of the present step what lies up to its
/// position.
///
/// Snapshots are kept in PostgreSQL's text form; only PostgreSQL computes with them.
public struct RelayCursor: Hashable, Sendable {
    /// A step that is under way, from `snapshot` towards `target`.
    public struct Step: Hashable, Sendable {
        public let target: String
        /// The row up to which the step is done, in the order of `(xid, message_id)`.
        public let xid: UInt64
        public let messageID: Int64

        public init(target: String, xid: UInt64, messageID: Int64) {
            self.target = target
            self.xid = xid
            self.messageID = messageID
        }
    }

    public let snapshot: String
    /// `nil` between steps.
    public let step: Step?

    public init(snapshot: String, step: Step? = nil) {
        self.snapshot = snapshot
        self.step = step
    }
}

/// What a relay got when it became the leader.
public struct RelayTerm: Hashable, Sendable {
    public let number: Int64
    public let cursor: RelayCursor
    /// The cursor came from another cluster: before anything is read, every row is to be stamped anew.
    public let mustStartOver: Bool
}

/// What became of an advance of the cursor.
public enum Advance: Hashable, Sendable {
    case complete
    /// The cursor is stored, but some broadcasts' rows are held by another transaction: when they were published is not
    /// noted.
    case withoutSomeBroadcasts
}

/// One page of rows in the order of publication.
public struct RelayPage: Sendable {
    private let result: PostgresResult
    /// Row numbers of the result that hold messages.
    public let rows: [Int]
    /// The snapshot that the step works towards.
    public let target: String
    /// Every transaction below it had ended when `target` was taken.
    public let oldestRunning: UInt64
    /// Nothing follows this page within the step.
    public let isLast: Bool
    /// PostgreSQL lost its unlogged data since the term began: transaction ids seen since may be given out again.
    public let serverWasReset: Bool

    /// - Throws: `PostgresError` with `.protocolViolation` when the answer is not a page.
    init(_ result: PostgresResult, rowsMax: Int) throws(PostgresError) {
        // The row that holds what is true of the whole page.
        var head: Int?
        var rows: [Int] = []
        rows.reserveCapacity(result.rowCount)
        for row in 0..<result.rowCount {
            if result.isNull(row, Column.messageID) {
                head = row
            } else if result.bool(row, Column.fits) {
                rows.append(row)
            }
        }
        guard let head, let oldestRunning = UInt64(result.string(head, Column.oldestRunning)) else {
            throw PostgresError(.protocolViolation, "PostgreSQL's answer to the relay's read has no snapshot.")
        }
        self.result = result
        self.rows = rows
        self.target = result.string(head, Column.target)
        self.oldestRunning = oldestRunning
        self.serverWasReset = !result.bool(head, Column.ready)
        self.isLast = rows.count == result.rowCount - 1 && rows.count < rowsMax
    }

    /// Reads the answer to `RelayStatements.shortPage`, from a session of PostgreSQL's own: it would not have outlived
    /// a reset.
    ///
    /// - Returns: `nil` when there is more than a short page holds.
    /// - Throws: `PostgresError` with `.protocolViolation` when the answer is not a page.
    init?(short result: PostgresResult) throws(PostgresError) {
        guard result.rowCount > 0, let target = TransactionSnapshot(result.string(0, Column.shortTarget)) else {
            throw PostgresError(.protocolViolation, "PostgreSQL's answer to the relay's read has no snapshot.")
        }
        let rows = result.isNull(0, Column.messageID) ? 0 : result.rowCount
        guard rows <= RelayStatements.shortPageRows, (0..<rows).allSatisfy({ result.bool($0, Column.fits) }) else {
            return nil
        }
        self.result = result
        self.rows = Array(0..<rows)
        self.target = result.string(0, Column.shortTarget)
        self.oldestRunning = target.xmin
        self.serverWasReset = false
        self.isLast = true
    }

    /// Places in a row of the answer; the head uses three of them for what is its own.
    enum Column {
        static let messageID = 0
        static let xid = 1
        static let receiver = 2
        static let topic = 3
        static let expiresAt = 4
        static let age = 5
        static let ready = 6
        static let headerLines = 7
        static let body = 8
        static let redelivered = 9
        static let fits = 10
        static let createdAt = 11
        static let target = 1
        static let oldestRunning = 2
        static let shortTarget = 12
    }

    /// How many transactions wrote the rows, which lie together.
    public var transactionCount: Int {
        var count = 0
        var last: UInt64?
        for row in rows {
            let xid = xid(row)
            if xid != last { count += 1 }
            last = xid
        }
        return count
    }

    public func messageID(_ row: Int) -> MessageID { MessageID(rawValue: result.int64(row, Column.messageID) ?? 0) }
    public func xid(_ row: Int) -> UInt64 { UInt64(result.string(row, Column.xid)) ?? 0 }
    public func address(_ row: Int) -> Address {
        result.isNull(row, Column.topic)
            ? .user(result.string(row, Column.receiver)) : .topic(result.string(row, Column.topic))
    }
    /// Unix time in milliseconds.
    public func expiresAtMilliseconds(_ row: Int) -> Int64? { result.int64(row, Column.expiresAt) }
    /// When the row was written, in Unix microseconds.
    public func createdAtMicroseconds(_ row: Int) -> Int64 { result.int64(row, Column.createdAt) ?? 0 }
    /// Milliseconds from the writing of the row to this reading, by PostgreSQL's clock; zero for one that was released,
    /// replayed or stamped anew: since when it waits is not known, and when it was written says nothing of it.
    public func ageMilliseconds(_ row: Int) -> Int64 { result.int64(row, Column.age) ?? 0 }
    /// To be published now: neither held back, nor expired, nor without a row in the log.
    public func isReady(_ row: Int) -> Bool { result.bool(row, Column.ready) }
    /// It was handed to a session before, which did not acknowledge it.
    public func isRedelivered(_ row: Int) -> Bool { result.bool(row, Column.redelivered) }
    /// Whether it has header lines.
    public func hasHeaderLines(_ row: Int) -> Bool { result.withBytes(row, Column.headerLines) { !$0.isEmpty } }
    /// STOMP 1.2 escaped header lines, each ended by a line feed.
    public func withHeaderLines<R>(_ row: Int, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try result.withBytes(row, Column.headerLines, body)
    }
    /// The JSON body, UTF-8.
    public func withBody<R>(_ row: Int, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try result.withBytes(row, Column.body, body)
    }
}

/// What became of a message that could not be published.
public enum PublishFailure: Hashable, Sendable {
    /// It will be stamped anew and tried again after a pause.
    case postponed
    /// It left the outbox for `belfry.parked`.
    case parked
    /// It had been delivered, cancelled or stamped anew meanwhile.
    case gone
    /// Another transaction holds its row: to be noted later.
    case held
}

/// What the database holds, counted.
public struct MessageCounts: Hashable, Sendable {
    /// Rows of the outbox.
    public let pending: Int
    public let parked: Int
    /// Pending messages that have no row in the outbox, as they were inserted without its trigger, a minute ago or
    /// longer.
    public let unqueued: Int
}

/// What PostgreSQL said to a leader's sign of life.
public struct LeaderBeat: Hashable, Sendable {
    /// The doorbell as it stands.
    public let doorbell: DoorbellState
    /// See `RelayPage.serverWasReset`.
    public let serverWasReset: Bool
}

/// What waits for a time to come, in milliseconds from now (negative: overdue); `nil` when nothing does.
public struct RelayDues: Hashable, Sendable {
    public let release: Int64?
    public let expiry: Int64?
    public let settlement: Int64?
    /// There are rows of nodes or sessions whose process was killed.
    public let hasDeadNodes: Bool
    /// There are rows that were held when the relay started over in this cluster.
    public let hasRest: Bool
}
