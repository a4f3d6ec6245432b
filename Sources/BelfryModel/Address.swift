/// Whom a message is for: exactly one user, or everybody subscribed to a topic.
///
/// Two addresses are equal when their bytes are, as in PostgreSQL and Redis. (Swift's strings would also be equal when
/// only their Unicode composition differs.)
public enum Address: Sendable {
    /// `belfry.message_log.receiver`: a user's id, 1 to 255 bytes of UTF-8.
    case user(String)
    /// `belfry.message_log.topic`: a topic's name, 1 to 255 bytes of UTF-8.
    case topic(String)
}

extension Address: Hashable {
    public static func == (left: Address, right: Address) -> Bool {
        switch (left, right) {
        case (.user(let one), .user(let other)), (.topic(let one), .topic(let other)):
            one.utf8.elementsEqual(other.utf8)
        case (.user, .topic), (.topic, .user):
            false
        }
    }

    public func hash(into hasher: inout Hasher) {
        switch self {
        case .user(let user): Self.hash(user, kind: 0, into: &hasher)
        case .topic(let topic): Self.hash(topic, kind: 1, into: &hasher)
        }
    }

    private static func hash(_ text: String, kind: UInt8, into hasher: inout Hasher) {
        hasher.combine(kind)
        var text = text
        text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
    }
}
