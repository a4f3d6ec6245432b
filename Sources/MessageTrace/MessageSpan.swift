import BelfryModel

/// A span of OpenTelemetry's: what one process did with a message whose application traces it.
public struct MessageSpan: Sendable {
    /// What was done.
    public enum Operation: Sendable {
        /// By the relay, from its reading to the bus's answer.
        case publish
        /// By a node to one session, from the sending to the client's answer.
        case deliver
    }

    /// How it ended.
    public enum Outcome: Sendable, Equatable {
        case done
        /// The client has refused it, or the bus.
        case failed(String)
        /// Nobody answered.
        case unanswered
    }

    public let operation: Operation
    /// The application's span; sampled.
    public let parent: TraceParent
    public let message: MessageID
    public let address: Address
    /// The relay's span of the same message, which a node knows if the message came by the bus.
    public let publication: Publication
    /// Nanoseconds since 1970.
    public let start: UInt64
    public let end: UInt64
    public let outcome: Outcome
    /// Of the body; `nil` where it is not known any more.
    public let bodyBytes: Int?
    /// By OpenTelemetry's names, beside those that follow from the above.
    public let attributes: [Attribute]

    /// What a span tells, by OpenTelemetry's kinds of values.
    public struct Attribute: Sendable {
        public enum Value: Sendable, Equatable {
            case text(String)
            case number(Int64)
        }

        public let name: String
        public let value: Value

        public init(_ name: String, _ value: Value) {
            self.name = name
            self.value = value
        }
    }

    public init(
        _ operation: Operation, parent: TraceParent, message: MessageID, address: Address, publication: Publication,
        start: UInt64, end: UInt64, outcome: Outcome = .done, bodyBytes: Int?,
        _ attributes: [Attribute] = []
    ) {
        self.operation = operation
        self.parent = parent
        self.message = message
        self.address = address
        self.publication = publication
        self.start = start
        self.end = end
        self.outcome = outcome
        self.bodyBytes = bodyBytes
        self.attributes = attributes
    }

    /// One publishing of a message, which relay and node both know: so the node can name the relay's span without being
    /// told its id.
    public struct Publication: Hashable, Sendable {
        public let xid: UInt64
        /// Of the relay; 0 where it is not known, as the message came from PostgreSQL.
        public let term: Int64

        public init(xid: UInt64, term: Int64) {
            self.xid = xid
            self.term = term
        }
    }

    /// The id of the relay's span of this publication, derived from what both know (SplitMix64 over it); `nil` where it
    /// is not known.
    public var publicationSpan: UInt64? {
        guard publication.term > 0 else { return nil }
        var hash: UInt64 = 0
        for part in [
            parent.traceHigh, parent.traceLow, parent.span, UInt64(bitPattern: message.rawValue), publication.xid,
            UInt64(bitPattern: publication.term),
        ] {
            hash = Self.mixed(hash ^ part)
        }
        return hash == 0 ? 1 : hash
    }

    private static func mixed(_ value: UInt64) -> UInt64 {
        var value = value &+ 0x9E37_79B9_7F4A_7C15
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}

/// Where spans go. It must not block.
public protocol MessageSpans: Sendable {
    func add(_ span: MessageSpan)
}
