/// The server and our session on it.
public struct ServerFacts: Sendable, Hashable {
    /// As `server_version_num`: 150004 is 15.4.
    public var versionNumber = 0
    public var version = ""
    /// It only follows another server.
    public var isStandby = false
    /// Its clock, in seconds since 1970.
    public var time: Double = 0
    public var user = ""
    public var database = ""
    /// Whether we see what the sessions of others do.
    public var seesOthers = false
    /// Settings that matter, by name.
    public var settings: [String: String] = [:]
    /// What roles or the database set beside, and should not.
    public var overrides: [Override] = []

    /// `alter role … set` or `alter database … set`.
    public struct Override: Sendable, Hashable {
        /// Empty: all of them.
        public var role: String
        public var database: String
        /// `name=value`.
        public var setting: String

        public init(role: String, database: String, setting: String) {
            (self.role, self.database, self.setting) = (role, database, setting)
        }
    }

    public init() {}
}

/// Who may do what with the schema.
public struct RightsFacts: Sendable, Hashable {
    /// One of the three group roles.
    public struct Role: Sendable, Hashable {
        public var name: String
        public var members: [String]

        public init(name: String, members: [String]) { (self.name, self.members) = (name, members) }
    }

    /// A right on a part of the schema.
    public struct Right: Sendable, Hashable {
        public var role: String
        /// As `grant` names it: `belfry.outbox`, `function belfry.ring()`, `schema belfry`.
        public var object: String
        public var privilege: String

        public init(role: String, object: String, privilege: String) {
            (self.role, self.object, self.privilege) = (role, object, privilege)
        }
    }

    /// Those that exist.
    public var roles: [Role] = []
    /// What a group role should have and has not.
    public var missing: [Right] = []
    /// What everybody or a writer has and should not.
    public var excess: [Right] = []
    public var owner = ""
    public var ownerIsSuperuser = false

    public init() {}
}

/// Parts of the schema that have been changed by hand.
public struct SchemaFacts: Sendable, Hashable {
    /// By trigger of `belfry.message_log`: `O`, `D`, `R` or `A`, as in `pg_trigger.tgenabled`.
    public var triggers: [String: String] = [:]
    /// Values of the sequence of ids that a session takes at a time.
    public var identityCache = 1
    /// Whether the doorbell is reset by a crash.
    public var doorbellIsUnlogged = true
    public var hasDoorbell = true
    /// `nil` without the right to read it.
    public var keepsHistory: Bool?
    public var indexes: [Index] = []

    /// One that is there.
    public struct Index: Sendable, Hashable {
        public var name: String
        public var isValid: Bool

        public init(name: String, isValid: Bool) { (self.name, self.isValid) = (name, isValid) }
    }

    public init() {}
}

/// Who leads, and how far it is. Ages in seconds.
public struct CursorFacts: Sendable, Hashable {
    /// `nil` when none ever led.
    public var relay: String?
    public var term = 0
    /// Of its last sign of life; `nil` when it gave the leadership back.
    public var seenAge: Double?
    /// `nil` when it leads by lease, as behind a pooler.
    public var backend: Int?
    /// Since its connection began.
    public var backendAge: Double?
    /// Whether the cursor is of this cluster.
    public var isOfThisCluster = true
    /// Messages that are still to be published; counted to `behindMax`.
    public var behind = 0
    /// The age of the oldest of them.
    public var behindAge: Double = 0
    /// Whether writers have to notify; `nil` when it can't be read.
    public var doorbellIsArmed: Bool?

    /// Where the count of what is behind ends.
    public static let behindMax = 10_001

    /// One each second; nobody leads after five without.
    public var isAlive: Bool { (seenAge ?? .infinity) <= 5 }

    public init() {}
}

/// A transaction that has been open for long. Ages in seconds.
public struct TransactionFacts: Sendable, Hashable {
    public var pid = 0
    public var user = ""
    public var application = ""
    public var state = ""
    /// `nil` when it can't be seen, for lack of rights.
    public var age: Double?
    /// Transactions that were begun since, over the server.
    public var transactionsSince: Int?
    /// At most 200 characters, without line ends.
    public var query = ""
    /// Whether vacuum keeps dead rows for its sake.
    public var holdsVacuum = false
    /// Tables of Belfry's in which it has written or locked rows.
    public var rowLocks: [String] = []
    /// Tables of Belfry's that it has locked against writers, with the lock's mode.
    public var tableLocks: [String] = []

    public init() {}
}

/// What holds up vacuum and is no session.
public struct HoldUpFacts: Sendable, Hashable {
    /// A transaction that waits for its second phase.
    public struct Prepared: Sendable, Hashable {
        public var name: String
        public var owner: String
        /// Seconds.
        public var age: Double

        public init(name: String, owner: String, age: Double) { (self.name, self.owner, self.age) = (name, owner, age) }
    }

    /// A replication slot that nobody reads.
    public struct Slot: Sendable, Hashable {
        public var name: String
        public var holdsRows: Bool
        /// Of the write-ahead log that is kept for it.
        public var bytes: Double

        public init(name: String, holdsRows: Bool, bytes: Double) {
            (self.name, self.holdsRows, self.bytes) = (name, holdsRows, bytes)
        }
    }

    public var prepared: [Prepared] = []
    public var slots: [Slot] = []

    public init() {}
}

/// A table or an index, by the statistics and not by reading it.
public struct RelationFacts: Sendable, Hashable {
    public var name = ""
    /// Of an index: its table.
    public var table: String?
    public var liveRows: Double = 0
    public var deadRows: Double = 0
    /// Dead rows at which autovacuum comes.
    public var vacuumThreshold: Double = 0
    public var isVacuumedByItself = true
    /// Seconds since any vacuum has gone through it; `nil` when none has.
    public var vacuumAge: Double?
    public var bytes: Double = 0
    /// What its live rows would need; `nil` when it was never analyzed.
    public var expectedBytes: Double?

    public init() {}
}

/// Connections against one of the limits.
public struct ConnectionFacts: Sendable, Hashable {
    /// `server`, `database` or `role`.
    public var scope: String
    public var name: String
    public var used: Int
    public var limit: Int

    public init(scope: String, name: String, used: Int, limit: Int) {
        (self.scope, self.name, self.used, self.limit) = (scope, name, used, limit)
    }
}

/// Where log and outbox disagree. Both looks are bounded.
public struct QueueFacts: Sendable, Hashable {
    /// Rows of the outbox without one of the log, among the oldest.
    public var orphans: [Int64] = []
    /// Pending messages that are not in the outbox: among the newest, and those noted in `belfry.unqueued`.
    public var unqueued: [Int64] = []
    public var outboxRowsLookedAt = 0
    public var logRowsLookedAt = 0
    /// By the statistics.
    public var logRows: Double = 0
    public var parked = 0

    /// Ids that a look names at most.
    public static let idsMax = 1_000

    public init() {}
}

/// Sessions of Belfry's processes, by what they call themselves.
public struct ProcessFacts: Sendable, Hashable {
    public var application: String
    public var user: String
    public var isSuperuser: Bool
    public var sessions: Int

    public init(application: String, user: String, isSuperuser: Bool, sessions: Int) {
        (self.application, self.user, self.isSuperuser, self.sessions) = (application, user, isSuperuser, sessions)
    }
}

/// What a process said of itself, as `belfry.process` keeps it.
public struct ReportedProcess: Sendable, Hashable {
    /// The command: `relay`, `node`, `serve` or `dev`.
    public var kind = ""
    public var host = ""
    public var pid = 0
    public var listen: String?
    /// Seconds since it said so, and since it started.
    public var age = 0.0
    public var startedAge = 0.0
    public var sessions: Int?
    /// Seconds by which its clock was ahead of PostgreSQL's.
    public var clockAhead: Double?
    public var openFiles: Int?
    public var filesMax: Int?
    /// Seconds since 1970.
    public var certificateEnd: Double?
    /// What `/health/ready` says of it, as JSON.
    public var health = "{}"

    public init() {}
}
