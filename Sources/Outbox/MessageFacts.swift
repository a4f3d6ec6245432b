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

    /// Something that a process did with it: a row of `belfry.hop`.
    public struct Hop: Hashable, Sendable {
        public var at = 0.0
        public var process = ""
        /// As `belfry.hop` has it: `published`, `sent`, ….
        public var what = ""
        public var details: [String: String] = [:]
        /// When the transaction committed whose row was picked up, where `track_commit_timestamp` is on.
        public var committedAt: Double?

        public init() {}
    }

    /// Something that an operator did to it, or to messages like it.
    public struct Act: Hashable, Sendable {
        public var at = 0.0
        public var who = ""
        /// The user of a request over HTTP.
        public var actor: String?
        public var act = ""
        /// Whether the act names this message; else its criteria fit.
        public var isNamed = false

        public init() {}
    }

    /// Who wrote a message.
    public struct Writer: Hashable, Sendable {
        public var role = ""
        public var application = ""

        public init() {}
    }

    /// Seconds since 1970, as all times here: PostgreSQL's clock.
    public var now = 0.0
    /// The highest id that was ever given out.
    public var highestID: Int64 = 0
    /// Transactions that are open and have written, with an id: the oldest's start, its process and its application.
    public var oldestWriter: (startedAt: Double?, processID: Int, application: String)? {
        get { openWriter.map { ($0.startedAt, $0.processID, $0.application) } }
        set { openWriter = newValue.map { OpenWriter(startedAt: $0.0, processID: $0.1, application: $0.2) } }
    }
    private struct OpenWriter: Hashable, Sendable {
        let startedAt: Double?
        let processID: Int
        let application: String
    }
    private var openWriter: OpenWriter?
    public var log: Log?
    public var queued: Queued?
    public var parked: Parked?
    public var escalation: Escalated?
    public var leader: Leader?
    /// At most `TraceStore.sessionsMax`, the newest first.
    public var sessions: [Session] = []
    /// Who wrote it, where its headers ask for a trace.
    public var writer: Writer?
    /// At most `TraceStore.hopsMax`, in the order in which they happened.
    public var hops: [Hop] = []
    /// At most `TraceStore.actsMax`, in the order in which they happened.
    public var acts: [Act] = []

    public init() {}
}
