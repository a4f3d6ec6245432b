/// The identity of one notification: `belfry.message_log.id`, a positive 64-bit integer given out by PostgreSQL.
///
/// Its text form (decimal, no sign) is the `message-id` of a STOMP MESSAGE and the `id` of its body.
public struct MessageID: RawRepresentable, Hashable, Comparable, Sendable, CustomStringConvertible {
    public let rawValue: Int64

    public init(rawValue: Int64) {
        self.rawValue = rawValue
    }

    /// Reads the decimal text form; `nil` for anything else: zero, signs and leading zeros included.
    public init?(_ text: some StringProtocol) {
        guard let first = text.utf8.first, (UInt8(ascii: "1")...UInt8(ascii: "9")).contains(first),
            let value = Int64(text)
        else { return nil }
        self.rawValue = value
    }

    public static func < (left: MessageID, right: MessageID) -> Bool { left.rawValue < right.rawValue }

    public var description: String { String(rawValue) }
}
