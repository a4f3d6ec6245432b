import Authentication
import BelfryModel
import Foundation
import NIOCore
import Outbox
import Postgres

/// Writes messages that a program sends as JSON, as its INSERT would.
public struct PushMessages: Sendable {
    /// Messages of one transaction at most.
    public static let messagesMax = 1_000

    /// To whom all of some messages go.
    public enum Kind: Sendable { case users, topics }

    /// How often it begins anew when others send the same at the same time.
    private static let triesMax = 5

    private let store: PushStore
    private let refusals: SendRefusals

    /// - Parameters:
    ///   - store: its role is in `belfry_service`.
    ///   - refusals: where messages are noted that the schema refuses.
    public init(store: PushStore, refusals: SendRefusals = SendRefusals()) {
        self.store = store
        self.refusals = refusals
    }

    /// Writes all of them in one transaction, or none.
    ///
    /// - Parameters:
    ///   - json: an array of objects, as `PushedMessage` reads them.
    ///   - count: how many there must be, where they were not an array before.
    ///   - key: an idempotency key for those that have none: for the only message itself, for each of several with its
    ///     number behind a slash.
    ///   - first: the number of the first, where these are a part of several.
    /// - Returns: the ids in the order of the messages, once they are committed; of one that was sent before under its
    ///   key, that one's.
    /// - Throws: what is wrong, in a sentence for the developer of the program; `.conflict` for a key under which
    ///   something else was sent. Then nothing was written.
    public func run(
        _ json: ByteBuffer, of count: Int? = nil, to kind: Kind, key: String? = nil, numberedFrom first: Int? = nil,
        by sender: Identity
    ) async throws(CommandRefusal) -> [MessageID] {
        let messages = try messages(json)
        guard count.map({ $0 == messages.count }) ?? true else {
            throw CommandRefusal(.invalid, "each message is a JSON object of its own, in a line of its own.")
        }
        let isOne = messages.count == 1 && first == nil
        let first = first ?? 1
        let number = { (place: Int) in isOne ? nil : first + place }
        let rows = try rows(messages, to: kind, by: sender) { place in
            key.map { key in number(place).map { "\(key)/\($0)" } ?? key }
        } numbered: {
            number($0)
        }
        let bytes = Array(json.readableBytesView)
        let hasKeys = rows.contains { $0.idempotencyKey != nil }
        do {
            for _ in 0..<Self.triesMax {
                // What is not to be written with one of them is not to be written at all.
                let earlier = hasKeys ? try checked(try await earlier(rows, bytes), numbered: number) : [:]
                if earlier.count == rows.count { return rows.indices.compactMap { earlier[$0] } }
                do throws(PostgresError) {
                    let written = try await LockPatience.retrying { () async throws(PostgresError) in
                        try await store.push(rows, json: bytes, except: Set(earlier.keys))
                    }
                    return written.enumerated().compactMap { earlier[$0] ?? $1 }
                } catch {
                    // Somebody has sent one of them meanwhile; nothing was written.
                    guard hasKeys, error.sqlState == "23505" else { throw error }
                }
            }
            throw CommandRefusal(.unavailable, "others send the same just now; nothing was written, try again.")
        } catch let refusal as CommandRefusal {
            throw refusal
        } catch {
            let refusal = Self.refusal(error, hasKeys: hasKeys)
            refusals.note(refusal, types: rows.map(\.type), via: "http", who: sender.user)
            throw refusal
        }
    }

    private func earlier(_ rows: [SendRow], _ json: [UInt8]) async throws(PostgresError) -> [PushStore.Earlier] {
        try await LockPatience.retrying { () async throws(PostgresError) in
            try await store.earlier(rows, json: json)
        }
    }

    private func messages(_ json: ByteBuffer) throws(CommandRefusal) -> [PushedMessage] {
        let isUTF8 = json.withUnsafeReadableBytes(UTF8Validator.isValid)
        guard isUTF8, !json.readableBytesView.contains(0) else {
            throw CommandRefusal(.invalid, "the body must be UTF-8 without NUL octets.")
        }
        if let number = JSONNumbers.firstOutOfRange(in: json.readableBytesView) {
            throw CommandRefusal(
                .invalid, "the body holds the number \(number): its exponent must lie between -308 and 308.")
        }
        let messages: [PushedMessage]
        do {
            messages = try JSONDecoder().decode([PushedMessage].self, from: Data(json.readableBytesView))
        } catch let refusal as CommandRefusal {
            throw refusal
        } catch {
            let example = #"{"receiver":"alice","type":"JSON_MSG","data":{"order":7}}"#
            throw CommandRefusal(
                .invalid, "the body\((error as? DecodingError)?.placeInList ?? "") is not as in \(example).")
        }
        guard (1...Self.messagesMax).contains(messages.count) else {
            throw CommandRefusal(
                .invalid, "there are \(messages.count) messages; 1 to \(Self.messagesMax) go at once.")
        }
        return messages
    }

    /// - Parameters:
    ///   - key: the idempotency key of the message in a place that has none of its own.
    ///   - number: what a person knows it by; `nil` when it is the only one.
    private func rows(
        _ messages: [PushedMessage], to kind: Kind, by sender: Identity, key: (Int) -> String?,
        numbered number: (Int) -> Int?
    ) throws(CommandRefusal) -> [SendRow] {
        var rows: [SendRow] = []
        var keys: Set<String> = []
        for (place, message) in messages.enumerated() {
            do throws(CommandRefusal) {
                let row = try message.row(to: kind, by: sender, key: key(place))
                if let key = row.idempotencyKey, !keys.insert(key).inserted {
                    throw CommandRefusal(.invalid, "another message has the same idempotency key.")
                }
                rows.append(row)
            } catch {
                guard let number = number(place) else { throw error }
                throw CommandRefusal(error.code, "message \(number): \(error.message)", underlying: error.underlying)
            }
        }
        return rows
    }

    /// The ids by the rows' places.
    private func checked(
        _ earlier: [PushStore.Earlier], numbered number: (Int) -> Int?
    ) throws(CommandRefusal) -> [Int: MessageID] {
        if let other = earlier.first(where: { !$0.isSame }) {
            let whose = number(other.place).map { "message \($0)'s" } ?? "the"
            throw CommandRefusal(
                .conflict,
                "\(whose) idempotency key was used before, for the message with id \(other.id), which has another "
                    + "receiver, topic, type or data.")
        }
        return Dictionary(earlier.map { ($0.place, $0.id) }, uniquingKeysWith: { $1 })
    }

    private static func refusal(_ error: any Error, hasKeys: Bool) -> CommandRefusal {
        guard let error = error as? PostgresError else {
            return CommandRefusal(.unavailable, "it was not written; try again.", underlying: error)
        }
        guard error.sqlState == "55P03" else { return CommandRefusal(error) }
        let what = hasKeys ? "an idempotency key or the table" : "the table"
        return CommandRefusal(
            .unavailable, "another transaction holds \(what); nothing was written, try again.", underlying: error)
    }
}
