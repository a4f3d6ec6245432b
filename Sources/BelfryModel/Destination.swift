/// A destination a client may subscribe to.
///
/// `/user/queue/<name>` is the session's own user, whatever the name, but for `reply`, where commands are answered;
/// `/topic/<name>` is a broadcast.
public enum Destination: Hashable, Sendable {
    /// `/user/queue/<name>`: the name is carried for the client's convenience and selects nothing.
    case userQueue(name: String)
    case topic(name: String)

    /// Why a destination was refused, as a sentence for the developer of the client.
    public struct Invalid: Error, Hashable, Sendable, CustomStringConvertible {
        public let description: String
    }

    /// Bytes of UTF-8 in the `<name>` of a destination at most; the bound of `message_log.topic`.
    public static let nameBytesMax = 255

    private static let userQueuePrefix = "/user/queue/"
    private static let topicPrefix = "/topic/"

    public init(parsing text: String) throws(Invalid) {
        // By bytes: a name may begin with a character that Swift would join to the slash before it.
        if text.utf8.starts(with: Self.userQueuePrefix.utf8) {
            self = .userQueue(name: try Self.name(of: text, after: Self.userQueuePrefix))
        } else if text.utf8.starts(with: Self.topicPrefix.utf8) {
            self = .topic(name: try Self.name(of: text, after: Self.topicPrefix))
        } else {
            throw Invalid(
                description: "The destination '\(text.prefix(100))' is not served here: "
                    + "subscribe to /user/queue/<name> or /topic/<name>.")
        }
    }

    private static func name(of text: String, after prefix: String) throws(Invalid) -> String {
        let name = String(decoding: text.utf8.dropFirst(prefix.utf8.count), as: UTF8.self)
        guard !name.isEmpty else {
            throw Invalid(description: "The destination '\(text)' lacks a name after '\(prefix)'.")
        }
        guard name.utf8.count <= nameBytesMax else {
            throw Invalid(
                description: "The name after '\(prefix)' has \(name.utf8.count) bytes; "
                    + "at most \(nameBytesMax) are allowed.")
        }
        return name
    }

    /// The address whose messages a subscription of `user` to this destination gets.
    public func address(for user: String) -> Address {
        switch self {
        case .userQueue: .user(user)
        case .topic(let name): .topic(name)
        }
    }
}
