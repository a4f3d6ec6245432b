import BelfryModel
import Postgres

/// The state of the whole installation. Ages are in seconds. Encodable for `belfry status --json`.
public struct OperatorStatus: Sendable, Hashable, Encodable {
    /// A running node, or one that was killed less than 15 s ago.
    public struct Node: Sendable, Hashable, Encodable {
        public let id: String
        public let host: String
        public let processID: Int
        public let listen: String
        public let uptimeSeconds: Double
        public let heartBeatAgeSeconds: Double
        public let sessions: Int

        public init(
            id: String, host: String, processID: Int, listen: String, uptimeSeconds: Double,
            heartBeatAgeSeconds: Double, sessions: Int
        ) {
            self.id = id
            self.host = host
            self.processID = processID
            self.listen = listen
            self.uptimeSeconds = uptimeSeconds
            self.heartBeatAgeSeconds = heartBeatAgeSeconds
            self.sessions = sessions
        }

        init(_ nodes: PostgresResult, row: Int) {
            self.init(
                id: nodes.string(row, 0), host: nodes.string(row, 1), processID: Int(nodes.int64(row, 2) ?? 0),
                listen: nodes.string(row, 3), uptimeSeconds: nodes.double(row, 4) ?? 0,
                heartBeatAgeSeconds: nodes.double(row, 5) ?? 0, sessions: Int(nodes.int64(row, 6) ?? 0))
        }
    }

    /// The relay that leads, or led last.
    public struct Leader: Sendable, Hashable, Encodable {
        /// Host, process and start of the relay.
        public let name: String
        public let term: Int
        /// `nil` when it gave the leadership back.
        public let seenAgeSeconds: Double?
        /// Its last sign of life is at most three seconds old; it gives one each second.
        public var isAlive: Bool { (seenAgeSeconds ?? .infinity) <= 3 }
    }

    public struct TypeCount: Sendable, Hashable, Encodable {
        public let type: String
        public let count: Int
    }

    /// Messages that were not delivered yet, those held back included.
    public let pending: Int
    /// Messages that wait for their `not_before`.
    public let heldBack: Int
    public let oldestPendingSeconds: Double?
    public let parked: Int
    /// `nil` when no relay ever led.
    public let leader: Leader?
    /// Messages that the relay has still to publish.
    public let lagRows: Int
    /// The age of the oldest of them; zero when there is none.
    public let lagSeconds: Double
    public let nodes: [Node]
    /// Only when asked for.
    public let pendingByType: [TypeCount]?

    /// Open sessions of all nodes, as of their last heart-beats.
    public var sessions: Int { nodes.reduce(0) { $0 + $1.sessions } }

    init(counts: PostgresResult, nodes: PostgresResult, pendingByType: [TypeCount]?) {
        let isFilled = counts.rowCount > 0
        func count(_ column: Int) -> Int { isFilled ? Int(counts.int64(0, column) ?? 0) : 0 }
        self.pending = count(0)
        self.heldBack = count(1)
        self.oldestPendingSeconds = isFilled ? counts.double(0, 2) : nil
        self.parked = count(3)
        self.leader =
            isFilled
            ? counts.optionalString(0, 4).map { name in
                Leader(name: name, term: count(5), seenAgeSeconds: counts.double(0, 6))
            } : nil
        self.lagRows = count(7)
        self.lagSeconds = isFilled ? counts.double(0, 8) ?? 0 : 0
        self.nodes = (0..<nodes.rowCount).map { Node(nodes, row: $0) }
        self.pendingByType = pendingByType
    }
}

/// A message to be sent. Times are in any form that PostgreSQL reads as `timestamptz`, such as ISO 8601.
public struct NewMessage: Sendable, Hashable {
    public var address: Address
    public var type: String
    /// JSON.
    public var data: String
    /// A JSON object, or `nil`.
    public var headers: String?
    public var notBefore: String?
    public var expiresAt: String?
    public var idempotencyKey: String?

    public init(
        to address: Address, type: String, data: String, headers: String? = nil, notBefore: String? = nil,
        expiresAt: String? = nil, idempotencyKey: String? = nil
    ) {
        self.address = address
        self.type = type
        self.data = data
        self.headers = headers
        self.notBefore = notBefore
        self.expiresAt = expiresAt
        self.idempotencyKey = idempotencyKey
    }
}

/// Which messages to deliver again: all criteria that are given must hold, and at least one must be given.
public struct ReplayCriteria: Sendable, Hashable {
    public var ids: [MessageID]?
    public var receiver: String?
    public var topic: String?
    public var type: String?
    /// Inclusive; in any form that PostgreSQL reads as `timestamptz`.
    public var since: String?
    /// Exclusive.
    public var until: String?
    public var status: String?
    /// Take delivered messages as well.
    public var includeDelivered = false

    public init() {}
}

/// What was, or would be, done with one message.
public struct ReplayedMessage: Sendable, Hashable {
    public let id: MessageID
    /// `nil` for an id that does not exist.
    public let previousStatus: String?
    /// A phrase: "publish again", "queue again", or "skip: …".
    public let action: String
}
