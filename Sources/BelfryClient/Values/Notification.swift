import Foundation

extension BelfryClient {
    /// What a message says: the body of a MESSAGE, or an entry of a history.
    public struct Notification: Sendable, Hashable, Identifiable, Codable {
        /// The message's id, in decimal digits.
        public let id: String
        /// A registered type, such as `ORDER_SHIPPED`.
        public let type: String
        /// Whose it is; `nil` for a broadcast.
        public let receiver: String?
        /// The topic of a broadcast.
        public let topic: String?
        /// What the application has written.
        public let data: JSONValue
        /// Whether its user has viewed it, on any device.
        public let isViewed: Bool
        /// Whether an open list has shown it; known in histories only.
        public let isSeen: Bool?
        /// When it was written.
        public let createdAt: Date

        private enum CodingKeys: String, CodingKey {
            case id, type, receiver, topic, data, viewed, seen, created
        }

        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            id = try container.decode(String.self, forKey: .id)
            type = try container.decode(String.self, forKey: .type)
            receiver = try container.decodeIfPresent(String.self, forKey: .receiver)
            topic = try container.decodeIfPresent(String.self, forKey: .topic)
            data = try container.decodeIfPresent(JSONValue.self, forKey: .data) ?? .null
            isViewed = try container.decodeIfPresent(Bool.self, forKey: .viewed) ?? false
            isSeen = try container.decodeIfPresent(Bool.self, forKey: .seen)
            let created = try container.decode(Double.self, forKey: .created)
            createdAt = Date(timeIntervalSince1970: created / 1_000)
        }

        /// In the form that it came in.
        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(id, forKey: .id)
            try container.encode(type, forKey: .type)
            try container.encode(receiver, forKey: .receiver)
            try container.encodeIfPresent(topic, forKey: .topic)
            try container.encode(data, forKey: .data)
            try container.encode(isViewed, forKey: .viewed)
            try container.encodeIfPresent(isSeen, forKey: .seen)
            let created = (createdAt.timeIntervalSince1970 * 1_000).rounded()
            try container.encode(Int64(exactly: created) ?? 0, forKey: .created)
        }
    }

    /// How many messages of a user are not viewed, and not seen.
    public struct Counts: Sendable, Hashable, Decodable {
        /// 1,000 stands for more than 999.
        public let unviewed: Int
        /// What a badge shows; 1,000 stands for more than 999.
        public let unseen: Int
        /// Of two counts the one with more changes is newer.
        public let changes: Int64

        /// The counts in the data of a message of the type `NOTIFY_VIEWED` or `NOTIFY_DELETED`; `nil` in any other.
        public init?(_ notification: Notification) {
            guard let counts = try? notification.data.decode(Counts.self) else { return nil }
            self = counts
        }
    }

    /// A page of a user's history, newest first.
    public struct HistoryPage: Sendable, Hashable {
        public let messages: [Notification]
        /// Not all that were asked for fitted in the answer: ask on before the last one.
        public let isCut: Bool
        public let counts: Counts
    }
}

extension BelfryClient.HistoryPage: Decodable {
    private enum CodingKeys: String, CodingKey { case messages, isCut }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        messages = try container.decode([BelfryClient.Notification].self, forKey: .messages)
        isCut = try container.decode(Bool.self, forKey: .isCut)
        counts = try BelfryClient.Counts(from: decoder)
    }
}
