import Authentication
import BelfryModel
import Foundation
import NIOCore
import Outbox

/// A message that a client sends to a user or a topic: checked as far as can be without PostgreSQL, which checks the
/// rest.
public struct PostedMessage: Sendable {
    public let row: SendRow

    /// The type without a header `type`.
    static let defaultType = "JSON_MSG"
    /// The type whose body is a text and not JSON.
    private static let textType = "STRING_MSG"
    /// Headers that are for the server, or for one hop: the others go on to the receivers. Compared without case, as
    /// clients repeat the header of their token with every frame.
    private static let ownHeaders: Set<String> = [
        "destination", "content-length", "content-type", "receipt", "transaction", "type", "idempotency-key",
        "expires-at", "not-before", "authorization", "token", "login", "passcode", "id", "ack", "message-id",
        "subscription", "redelivered", "receipt-id", "heart-beat",
        // What the node says of messages by itself.
        "unread", "counted",
    ]

    private static let ownHeaderBytesMax = 16
    /// As belfry.headers_problem has it.
    static let otherHeadersMax = 32
    static let otherHeaderBytesMax = 8192

    /// - Parameters:
    ///   - destination: `/user/<id>/queue/<name>` or `/topic/<name>`.
    ///   - headers: of repeated names the first counts.
    ///   - body: JSON in UTF-8 or, for the type `STRING_MSG`, a text.
    ///   - sender: whose rights count. Idempotency keys are the sender's own: nobody can use up those of an
    ///     application, or of another user.
    /// - Throws: what is wrong, in a sentence for the developer of the client.
    public init(
        to destination: String, headers: [(name: String, value: String)], body: ByteBuffer, by sender: Identity
    ) throws(CommandRefusal) {
        let address = try Self.address(destination)
        guard sender.rights.maySend(to: destination) else {
            throw CommandRefusal(
                .forbidden,
                "this user may not send to '\(destination.prefix(100))': the token's claim belfry.send does not "
                    + "name it.")
        }
        var own: [String: String] = [:]
        var others: [String: String] = [:]
        var otherBytes = 0
        for (name, value) in headers {
            let lowercased = name.utf8.count <= Self.ownHeaderBytesMax ? name.lowercased() : name
            if Self.ownHeaders.contains(lowercased) {
                if own[lowercased] == nil { own[lowercased] = value }
            } else if others[name] == nil {
                others[name] = value
                otherBytes += name.utf8.count + value.utf8.count
            }
        }
        // PostgreSQL looks once more; to have it written as JSON costs more than to count it.
        guard others.count <= Self.otherHeadersMax, otherBytes <= Self.otherHeaderBytesMax else {
            throw CommandRefusal(
                .invalid,
                "the headers for the receivers, \(others.count) of \(otherBytes) bytes, are too many: at most "
                    + "\(Self.otherHeadersMax) go, of \(Self.otherHeaderBytesMax) bytes.")
        }
        let type = own["type"] ?? Self.defaultType
        let isText = type == Self.textType
        guard (1...64).contains(type.utf8.count) else {
            throw CommandRefusal(.invalid, "the header type must be the name of a registered type, such as JSON_MSG.")
        }
        try Self.requireNotOwn(type)
        row = SendRow(
            address: address, type: type, data: try Self.data(body, isText: isText), isText: isText,
            headers: try Self.json(others), notBeforeMilliseconds: try Self.time(own["not-before"], "not-before"),
            expiresAtMilliseconds: try Self.time(own["expires-at"], "expires-at"),
            idempotencyKey: try Self.key(own["idempotency-key"], of: sender.user))
    }

    /// Clients go by what these say of a user's counts.
    private static let ownTypes: Set<String> = ["NOTIFY_VIEWED", "NOTIFY_DELETED"]

    static func requireNotOwn(_ type: String) throws(CommandRefusal) {
        guard !ownTypes.contains(type) else {
            throw CommandRefusal(.invalid, "messages of the type \(type) are written by Belfry alone.")
        }
    }

    private static func address(_ destination: String) throws(CommandRefusal) -> Address {
        let address: Address
        do throws(SendDestination.Invalid) {
            address = try SendDestination(parsing: destination).address
        } catch {
            throw CommandRefusal(.invalid, error.description)
        }
        guard case .user(let user) = address, !Identity.isValid(user: user) else { return address }
        throw CommandRefusal(
            .invalid,
            "the user's id in '\(destination.prefix(100))' can't be one: 1 to \(Identity.userBytesMax) bytes of UTF-8 "
                + "in composed form, no control characters.")
    }

    private static func data(_ body: ByteBuffer, isText: Bool) throws(CommandRefusal) -> String {
        let isUTF8 = body.withUnsafeReadableBytes(UTF8Validator.isValid)
        guard isUTF8, !body.readableBytesView.contains(0) else {
            throw CommandRefusal(.invalid, "the body must be UTF-8 without NUL octets.")
        }
        guard isText || body.readableBytes > 0 else {
            throw CommandRefusal(
                .invalid, "the body is empty: it must be JSON, or a text with the header type:\(textType).")
        }
        if !isText, let number = JSONNumbers.firstOutOfRange(in: body.readableBytesView) {
            throw CommandRefusal(
                .invalid, "the body holds the number \(number): its exponent must lie between -308 and 308.")
        }
        return String(buffer: body)
    }

    /// A user's id in an idempotency key: of two users no two keys are the same.
    static func escaped(_ user: String) -> String {
        guard user.utf8.contains(where: { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "%") }) else { return user }
        let bytes = user.utf8.flatMap { byte in
            switch byte {
            case UInt8(ascii: ":"): Array("%3A".utf8)
            case UInt8(ascii: "%"): Array("%25".utf8)
            default: [byte]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func key(_ key: String?, of sender: String) throws(CommandRefusal) -> String? {
        guard let key else { return nil }
        let own = "stomp:\(escaped(sender)):\(key)"
        guard !key.isEmpty, own.utf8.count <= 255, !key.utf8.contains(0) else {
            throw CommandRefusal(
                .invalid,
                "the header idempotency-key must have 1 to \(max(1, 255 - own.utf8.count + key.utf8.count)) bytes.")
        }
        return own
    }

    /// What is not one of ours goes to the receivers.
    private static func json(_ headers: [String: String]) throws(CommandRefusal) -> String {
        guard !headers.isEmpty else { return "" }
        guard !headers.contains(where: { $0.key.utf8.contains(0) || $0.value.utf8.contains(0) }),
            let json = try? JSONEncoder().encode(headers)
        else { throw CommandRefusal(.invalid, "a header holds a NUL octet.") }
        return String(decoding: json, as: UTF8.self)
    }

    /// A time as Unix milliseconds or by RFC 3339.
    private static func time(_ text: String?, _ header: String) throws(CommandRefusal) -> Int64? {
        guard let text else { return nil }
        guard let milliseconds = MessageTime.milliseconds(text) else {
            throw CommandRefusal(
                .invalid,
                "the header \(header) must be a time: milliseconds since 1970, or as 2030-01-31T12:00:00Z.")
        }
        return milliseconds
    }
}
