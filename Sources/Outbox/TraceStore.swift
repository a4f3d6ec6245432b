import BelfryModel
import Postgres

/// Everything that the books say of one message, as of one moment.
public struct MessageFacts: Hashable, Sendable {
    /// Its row of the log.
    public struct Log: Hashable, Sendable {
        public var receiver: String?
        public var topic: String?
        public var type = ""
        public var status = ""
        public var statusReason: String?
        public var createdAt = 0.0
        /// When its transaction, or the one that stamped it last, committed: where `track_commit_timestamp` is on.
        public var committedAt: Double?
        public var deliveredAt: Double?
        public var viewedAt: Double?
        public var hiddenAt: Double?
        public var notBefore: Double?
        public var expiresAt: Double?
        public var dataBytes = 0

        public init() {}
    }

    /// Its row of the outbox.
    public struct Queued: Hashable, Sendable {
        public var notBefore: Double?
        public var publishedAt: Double?
        public var attempts = 0
        public var redelivered = false
        public var lastError: String?
        /// Whether the relay's cursor has passed it.
        public var isPublished = false

        public init() {}
    }

    /// An operator has to look at it.
    public struct Parked: Hashable, Sendable {
        public var at = 0.0
        public var reason = ""
        public var attempts = 0

        public init() {}
    }

    /// The relay that leads, or led last.
    public struct Leader: Hashable, Sendable {
        public var name = ""
        public var term = 0
        /// `nil` when it gave the leadership back.
        public var seenAt: Double?

        public init() {}
    }

    /// A session of its receiver's, or one that is subscribed to its topic.
    public struct Session: Hashable, Sendable {
        public var id = ""
        public var openedAt = 0.0
        public var node = ""
        public var transport = ""
        public var address: String?
        /// Whether it is subscribed to its user's queue; `nil` for a topic's.
        public var isSubscribed: Bool?

        public init() {}
    }

    /// Seconds since 1970, as all times here: PostgreSQL's clock.
    public var now = 0.0
    /// The highest id that was ever given out.
    public var highestID: Int64 = 0
    /// Transactions that are open and have written, with an id: the oldest's start, its process and its application.
    public var oldestWriter: (startedAt: Double, processID: Int, application: String)? {
        get { writer.map { ($0.startedAt, $0.processID, $0.application) } }
        set { writer = newValue.map { Writer(startedAt: $0.0, processID: $0.1, application: $0.2) } }
    }
    private struct Writer: Hashable, Sendable {
        let startedAt: Double
        let processID: Int
        let application: String
    }
    private var writer: Writer?
    public var log: Log?
    public var queued: Queued?
    public var parked: Parked?
    public var escalation: Escalated?
    public var leader: Leader?
    /// At most `TraceStore.sessionsMax`, the newest first.
    public var sessions: [Session] = []

    public init() {}
}

/// Looks up one message in all tables, for `belfry trace`.
public struct TraceStore: Sendable {
    /// Sessions that are shown.
    public static let sessionsMax = 20

    private let executor: any RelayStoreExecutor

    /// - Parameter executor: its role is in `belfry_operator`.
    public init(executor: any RelayStoreExecutor) { self.executor = executor }

    /// What is known of a message now. One that does not exist has no `log`.
    public func facts(of id: MessageID) async throws(PostgresError) -> MessageFacts {
        var facts = try await books(id)
        guard let log = facts.log else {
            let writer = try await executor.execute(TraceStatements.oldestWriter, [])
            if writer.rowCount > 0 {
                facts.oldestWriter = (
                    writer.double(0, 0) ?? 0, Int(writer.int64(0, 1) ?? 0), writer.string(0, 2)
                )
            }
            return facts
        }
        facts.escalation = try await escalation(id, executor)
        let result = try await executor.execute(
            TraceStatements.sessions,
            [log.receiver.map { .text($0) } ?? .null, log.topic.map { .text($0) } ?? .null])
        facts.sessions = (0..<result.rowCount).map { row in
            var session = MessageFacts.Session()
            session.id = result.string(row, 0)
            session.openedAt = result.double(row, 1) ?? 0
            session.node = result.string(row, 2)
            session.transport = result.string(row, 3)
            session.address = result.optionalString(row, 4)
            session.isSubscribed = log.receiver == nil ? nil : result.bool(row, 5)
            return session
        }
        return facts
    }

    private func books(_ id: MessageID) async throws(PostgresError) -> MessageFacts {
        let result = try await executor.execute(TraceStatements.books, [.int64(id.rawValue)])
        var facts = MessageFacts()
        guard result.rowCount > 0 else { return facts }
        facts.now = result.double(0, 0) ?? 0
        facts.highestID = result.int64(0, 1) ?? 0
        if let name = result.optionalString(0, 2) {
            var leader = MessageFacts.Leader()
            leader.name = name
            leader.term = Int(result.int64(0, 3) ?? 0)
            leader.seenAt = result.double(0, 4)
            facts.leader = leader
        }
        if let type = result.optionalString(0, 5) {
            var log = MessageFacts.Log()
            log.type = type
            log.receiver = result.optionalString(0, 6)
            log.topic = result.optionalString(0, 7)
            log.status = result.string(0, 8)
            log.statusReason = result.optionalString(0, 9)
            log.createdAt = result.double(0, 10) ?? 0
            log.committedAt = result.double(0, 11)
            log.deliveredAt = result.double(0, 12)
            log.viewedAt = result.double(0, 13)
            log.hiddenAt = result.double(0, 14)
            log.notBefore = result.double(0, 15)
            log.expiresAt = result.double(0, 16)
            log.dataBytes = Int(result.int64(0, 17) ?? 0)
            facts.log = log
        }
        if let attempts = result.int64(0, 18) {
            var queued = MessageFacts.Queued()
            queued.attempts = Int(attempts)
            queued.notBefore = result.double(0, 19)
            queued.publishedAt = result.double(0, 20)
            queued.redelivered = result.bool(0, 21)
            queued.lastError = result.optionalString(0, 22)
            queued.isPublished = result.bool(0, 23)
            facts.queued = queued
        }
        if let at = result.double(0, 24) {
            var parked = MessageFacts.Parked()
            parked.at = at
            parked.reason = result.string(0, 25)
            parked.attempts = Int(result.int64(0, 26) ?? 0)
            facts.parked = parked
        }
        return facts
    }
}

/// The text of its statements.
enum TraceStatements {
    private static func seconds(_ column: String) -> String { "extract(epoch from \(column))::float8" }

    /// Plan: each table by primary key.
    static let books = PostgresStatement(
        "",
        """
        select \(seconds("clock_timestamp()")),
            (select case when s.is_called then s.last_value else 0 end from belfry.message_log_id_seq s),
            c.relay, c.term, \(seconds("c.leader_seen_at")),
            m.type, m.receiver, m.topic, m.status::text, m.status_reason, \(seconds("m.created_at")),
            case when current_setting('track_commit_timestamp') = 'on' and o.xid is not null
                then \(seconds("pg_xact_commit_timestamp(o.xid::xid)")) end,
            \(seconds("m.delivered_at")), \(seconds("m.viewed_at")), \(seconds("m.hidden_at")),
            \(seconds("m.not_before")), \(seconds("m.expires_at")), octet_length(m.data::text)::bigint,
            o.attempts::bigint, \(seconds("o.not_before")), \(seconds("o.published_at")), o.redelivered, o.last_error,
            o.published_at is not null or o.not_before is null and (
                pg_visible_in_snapshot(o.xid, c.snapshot)
                or c.target is not null and pg_visible_in_snapshot(o.xid, c.target)
                    and (o.xid, o.message_id) <= (c.position_xid, c.position_id)),
            \(seconds("p.parked_at")), p.reason, p.attempts::bigint
        from (select $1::bigint as id) w
        left join belfry.relay_cursor c on c.shard = 0
        left join belfry.message_log m on m.id = w.id
        left join belfry.outbox o on o.message_id = w.id
        left join belfry.parked p on p.message_id = w.id
        """)

    /// Plan: pg_stat_activity.
    static let oldestWriter = PostgresStatement(
        "",
        """
        select \(seconds("a.xact_start")), a.pid::bigint, a.application_name
        from pg_stat_activity a
        where a.datname = current_database() and a.backend_xid is not null and a.pid <> pg_backend_pid()
        order by a.xact_start limit 1
        """)

    /// Plan: presence by its index on receiver; for a topic the table, which is small.
    static let sessions = PostgresStatement(
        "",
        """
        select p.id::text, \(seconds("p.opened_at")), n.listen || ' on ' || n.host, p.transport, p.address,
            exists (select from belfry.session s where s.id = p.id)
        from belfry.presence p
        join belfry.node n on n.id = p.node_id
        where p.close_reason is null
            and case when $1::text is not null then p.receiver = $1 else $2::text = any (p.topics) end
        order by p.opened_at desc limit \(TraceStore.sessionsMax)
        """)
}
