import Authentication
import BelfryModel
import Foundation
import Outbox

/// A message that a program sends as a JSON object, checked as far as can be without PostgreSQL:
/// `{"receiver":"alice","type":"ORDER_SHIPPED","data":{…},"headers":{…},"notBefore":…,"expiresAt":…,
/// "idempotencyKey":"…"}`, or with `topic` for `receiver`.
///
/// Its `data` is not read here but by PostgreSQL, to which the text goes as it came: no number is rounded on the way.
struct PushedMessage: Decodable {
    /// A time as Unix milliseconds or by RFC 3339.
    struct Time: Decodable {
        let milliseconds: Int64

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            let value =
                try (try? container.decode(Int64.self)) ?? MessageTime.milliseconds(container.decode(String.self))
            guard let value, MessageTime.range.contains(value) else {
                throw DecodingError.dataCorruptedError(in: container, debugDescription: "it is no time")
            }
            milliseconds = value
        }
    }

    /// That it is there.
    private struct Anything: Decodable {
        init(from decoder: any Decoder) throws {}
    }

    private let receiver: String?
    private let topic: String?
    private let type: String?
    private let headers: [String: String]?
    private let notBefore: Time?
    private let expiresAt: Time?
    private let idempotencyKey: String?

    private enum CodingKeys: String, CodingKey, CaseIterable {
        case receiver, topic, type, data, headers, notBefore, expiresAt, idempotencyKey
    }

    private struct AnyKey: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    init(from decoder: any Decoder) throws {
        let place = decoder.codingPath.last?.intValue.map { $0 > 0 ? "message \($0 + 1): " : "" } ?? ""
        let all = try decoder.container(keyedBy: AnyKey.self)
        if let other = all.allKeys.map(\.stringValue).filter({ CodingKeys(rawValue: $0) == nil }).min() {
            let names = CodingKeys.allCases.map(\.rawValue).joined(separator: ", ")
            throw CommandRefusal(.invalid, "\(place)there is no member '\(other.prefix(60))'; a message has \(names).")
        }
        let container = try decoder.container(keyedBy: CodingKeys.self)
        receiver = try container.decodeIfPresent(String.self, forKey: .receiver)
        topic = try container.decodeIfPresent(String.self, forKey: .topic)
        type = try container.decodeIfPresent(String.self, forKey: .type)
        headers = try container.decodeIfPresent([String: String].self, forKey: .headers)
        notBefore = try container.decodeIfPresent(Time.self, forKey: .notBefore)
        expiresAt = try container.decodeIfPresent(Time.self, forKey: .expiresAt)
        idempotencyKey = try container.decodeIfPresent(String.self, forKey: .idempotencyKey)
        guard container.contains(.data) else {
            throw CommandRefusal(.invalid, "\(place)there is no member 'data'.")
        }
    }

    /// - Parameters:
    ///   - kind: to whom it may go.
    ///   - sender: whose rights count.
    ///   - key: an idempotency key for a message that has none of its own.
    func row(to kind: PushMessages.Kind, by sender: Identity, key: String?) throws(CommandRefusal) -> SendRow {
        let address = try address(of: kind)
        guard sender.rights.maySend(to: address.destination) else {
            throw CommandRefusal(
                .forbidden,
                "this user may not send to '\(address.destination.prefix(100))': the token's claim belfry.send does "
                    + "not name it.")
        }
        let type = type ?? PostedMessage.defaultType
        guard (1...64).contains(type.utf8.count), !type.utf8.contains(0) else {
            throw CommandRefusal(.invalid, "type must be the name of a registered type, such as JSON_MSG.")
        }
        try PostedMessage.requireNotOwn(type)
        return SendRow(
            address: address, type: type, data: "", headers: try headersJSON(),
            notBeforeMilliseconds: notBefore?.milliseconds, expiresAtMilliseconds: expiresAt?.milliseconds,
            idempotencyKey: try (idempotencyKey ?? key).map { key throws(CommandRefusal) in
                try Self.key(key, of: sender.user)
            })
    }

    private func address(of kind: PushMessages.Kind) throws(CommandRefusal) -> Address {
        switch (kind, receiver, topic) {
        case (.users, let user?, nil):
            guard Identity.isValid(user: user) else {
                throw CommandRefusal(
                    .invalid,
                    "receiver must be a user's id: 1 to \(Identity.userBytesMax) bytes of UTF-8 in composed form, no "
                        + "control characters.")
            }
            return .user(user)
        case (.topics, nil, let topic?):
            guard (1...Destination.nameBytesMax).contains(topic.utf8.count), !topic.utf8.contains(0) else {
                throw CommandRefusal(.invalid, "topic must have 1 to \(Destination.nameBytesMax) bytes.")
            }
            return .topic(topic)
        case (.users, _, _): throw CommandRefusal(.invalid, "a message has a receiver, and no topic.")
        case (.topics, _, _): throw CommandRefusal(.invalid, "a broadcast has a topic, and no receiver.")
        }
    }

    private func headersJSON() throws(CommandRefusal) -> String {
        guard let headers, !headers.isEmpty else { return "" }
        guard headers.count <= PostedMessage.otherHeadersMax,
            headers.reduce(0, { $0 + $1.key.utf8.count + $1.value.utf8.count }) <= PostedMessage.otherHeaderBytesMax
        else {
            throw CommandRefusal(
                .invalid,
                "headers may be \(PostedMessage.otherHeadersMax), of \(PostedMessage.otherHeaderBytesMax) bytes "
                    + "together.")
        }
        guard !headers.contains(where: { $0.key.utf8.contains(0) || $0.value.utf8.contains(0) }),
            let json = try? JSONEncoder().encode(headers)
        else { throw CommandRefusal(.invalid, "a header holds a NUL octet.") }
        return String(decoding: json, as: UTF8.self)
    }

    /// Idempotency keys are the sender's own, as those of SEND are.
    private static func key(_ key: String, of sender: String) throws(CommandRefusal) -> String {
        let own = "http:\(PostedMessage.escaped(sender)):\(key)"
        guard !key.isEmpty, own.utf8.count <= 255, !key.utf8.contains(0) else {
            throw CommandRefusal(
                .invalid,
                "an idempotency key must have 1 to \(max(1, 255 - own.utf8.count + key.utf8.count)) bytes.")
        }
        return own
    }
}

extension Address {
    /// As rights name it: a user's queue by the name `msg`.
    var destination: String {
        switch self {
        case .user(let user): "/user/\(Self.escaped(user))/queue/msg"
        case .topic(let topic): "/topic/\(topic)"
        }
    }

    /// Byte for byte, as rights are compared: a slash is one whatever accent stands behind it. Hardly an id holds any.
    private static func escaped(_ user: String) -> String {
        let (percent, slash) = (UInt8(ascii: "%"), UInt8(ascii: "/"))
        guard user.utf8.contains(where: { $0 == percent || $0 == slash }) else { return user }
        var bytes: [UInt8] = []
        for byte in user.utf8 {
            switch byte {
            case percent: bytes += "%25".utf8
            case slash: bytes += "%2F".utf8
            default: bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
