/// A destination that messages may be sent to.
public enum SendDestination: Hashable, Sendable {
    /// `/user/<id>/queue/<name>`: the user's id, in which `%2F` stands for a slash and `%25` for a percent sign. The
    /// name selects nothing: see `Destination.userQueue`.
    case user(String)
    /// `/topic/<name>`.
    case topic(String)

    public typealias Invalid = Destination.Invalid

    private static let userPrefix = "/user/"
    private static let queuePrefix = "queue/"
    private static let topicPrefix = "/topic/"

    public init(parsing text: String) throws(Invalid) {
        if text.utf8.starts(with: Self.topicPrefix.utf8) {
            let name = String(decoding: text.utf8.dropFirst(Self.topicPrefix.utf8.count), as: UTF8.self)
            guard (1...Destination.nameBytesMax).contains(name.utf8.count) else {
                throw Invalid(
                    description: "The name after '/topic/' has \(name.utf8.count) bytes; "
                        + "1 to \(Destination.nameBytesMax) are allowed.")
            }
            self = .topic(name)
            return
        }
        guard text.utf8.starts(with: Self.userPrefix.utf8) else { throw Self.notServed(text) }
        let rest = text.utf8.dropFirst(Self.userPrefix.utf8.count)
        let id = rest.prefix { $0 != UInt8(ascii: "/") }
        let behind = rest.dropFirst(id.count + 1)
        guard !id.isEmpty, behind.starts(with: Self.queuePrefix.utf8), behind.count > Self.queuePrefix.utf8.count else {
            throw Self.notServed(text)
        }
        guard let user = PercentDecoding.bytes(id).flatMap({ String(validating: $0, as: UTF8.self) }) else {
            throw Invalid(
                description:
                    "The user's id in '\(text.prefix(100))' has a '%' that is no escape: write %25 for a percent "
                    + "sign and %2F for a slash.")
        }
        self = .user(user)
    }

    public var address: Address {
        switch self {
        case .user(let user): .user(user)
        case .topic(let topic): .topic(topic)
        }
    }

    private static func notServed(_ text: String) -> Invalid {
        Invalid(
            description: "The destination '\(text.prefix(100))' is not served here: send to /user/<id>/queue/<name>, "
                + "/topic/<name> or /app/<command>.")
    }
}
