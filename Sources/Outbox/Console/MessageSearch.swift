import BelfryModel

/// What an operator looks for among all messages: what is given must hold.
public struct MessageSearch: Hashable, Sendable {
    /// A place in `data`, and what stands there.
    public struct Content: Hashable, Sendable {
        /// Members and numbers of elements, from the outside in.
        public let path: [String]
        /// The text of a string, or of another value; `nil` for anything.
        public let text: String?
        /// The value as JSON, where the text is some.
        public let json: String?

        public init(path: [String], text: String?, json: String?) {
            self.path = path
            self.text = text
            self.json = json
        }
    }

    /// How messages are found, of which the rest of the criteria choose.
    public enum Way: String, Sendable {
        case id, key
        /// Those of a receiver, but what they or the application took away.
        case receiver
        case topic
        /// What is not delivered.
        case outbox
        case parked
        /// All that were written in a time.
        case time
        /// All.
        case log
    }

    public var id: MessageID?
    public var receiver: String?
    public var topic: String?
    public var type: String?
    public var status: String?
    /// Unix milliseconds, inclusive.
    public var since: Int64?
    /// Unix milliseconds, exclusive.
    public var until: Int64?
    public var idempotencyKey: String?
    public var content: Content?
    /// The beginning of the reason of what is parked: the first 500 characters, all of them where it has less.
    public var parkedReason: String?
    /// Only those with lower ids.
    public var before: MessageID?
    public var limit = 50
    /// Walks through all messages, though an index would find some sooner.
    public var walksLog = false

    public init() {}
}

/// What a search found.
public struct FoundMessages: Sendable {
    /// JSON objects, newest first.
    public let messages: [String]
    /// Where to go on; `nil` when there is nothing more.
    public let before: MessageID?
    /// Messages that were looked at.
    public let rows: Int
    /// When the oldest of them was written, in Unix milliseconds.
    public let backTo: Int64?
    public let way: MessageSearch.Way
}
