import Authentication
import BelfryModel
import Foundation
import Outbox

/// The parameters of a view, as texts.
struct OperatorParameters {
    private static let pageDefault = 50
    private static let pathMax = 32
    /// Of a path into data, and of what stands there.
    private static let contentBytesMax = 300
    /// As groups of parked messages are told.
    private static let reasonCharactersMax = 500

    private let given: [String: String]

    init(_ given: [String: String]) { self.given = given }

    /// A text that PostgreSQL can be asked for; `nil` when it is not given, or empty.
    private func text(_ name: String, bytesMax: Int = Destination.nameBytesMax) throws(CommandRefusal) -> String? {
        guard let text = given[name], !text.isEmpty else { return nil }
        guard text.utf8.count <= bytesMax, !text.utf8.contains(0) else {
            throw CommandRefusal(.invalid, "\(name) has \(bytesMax) bytes at most and no character U+0000.")
        }
        return text
    }

    func count(_ name: String, _ range: ClosedRange<Int>) throws(CommandRefusal) -> Int? {
        guard let text = given[name] else { return nil }
        guard let count = Int(text), range.contains(count) else {
            throw CommandRefusal(
                .invalid, "\(name) is '\(text.prefix(60))'; it is \(range.lowerBound) to \(range.upperBound).")
        }
        return count
    }

    /// An id of something, which has to be given.
    func number(_ name: String) throws(CommandRefusal) -> Int64 {
        guard let id = try optionalID(name) else { throw CommandRefusal(.invalid, "\(name) is missing.") }
        return id.rawValue
    }

    func id(_ name: String) throws(CommandRefusal) -> MessageID {
        MessageID(rawValue: try number(name))
    }

    private func optionalID(_ name: String) throws(CommandRefusal) -> MessageID? {
        guard let text = given[name], !text.isEmpty else { return nil }
        guard let id = MessageID(text) else {
            throw CommandRefusal(
                .invalid, "\(name) is '\(text.prefix(60))'; it is an id, a number from 1 to \(Int64.max).")
        }
        return id
    }

    private func time(_ name: String) throws(CommandRefusal) -> Int64? {
        guard let text = given[name], !text.isEmpty else { return nil }
        guard let time = MessageTime.milliseconds(text) else {
            throw CommandRefusal(
                .invalid,
                "\(name) is '\(text.prefix(60))'; it is a time such as 2026-01-31T08:00:00Z, or Unix milliseconds.")
        }
        return time
    }

    func user(_ name: String) throws(CommandRefusal) -> String {
        guard let user = given[name], Identity.isValid(user: user) else {
            throw CommandRefusal(
                .invalid, "\(name) is a user's id: 1 to \(Identity.userBytesMax) bytes of UTF-8.")
        }
        return user
    }

    func page(_ limitMax: Int) throws(CommandRefusal) -> (before: Int64?, limit: Int) {
        (try optionalID("before")?.rawValue, try count("limit", 1...limitMax) ?? Self.pageDefault)
    }

    func sessions() throws(CommandRefusal) -> SessionStore.Criterion {
        switch (try text("user"), try text("topic")) {
        case (let user?, nil): return .user(user)
        case (nil, let topic?): return .topic(topic)
        default: throw CommandRefusal(.invalid, "sessions are those of a user or of a topic: give one of the two.")
        }
    }

    // MARK: Searches

    func search() throws(CommandRefusal) -> MessageSearch {
        var search = MessageSearch()
        search.id = try optionalID("id")
        search.receiver = try text("receiver")
        search.topic = try text("topic")
        search.type = try text("type")
        search.status = try text("status")
        let statuses = ["pending", "delivered", "expired", "cancelled", "parked"]
        if let status = search.status, !statuses.contains(status) {
            throw CommandRefusal(
                .invalid, "there is no status '\(status.prefix(60))'; there are \(statuses.joined(separator: ", ")).")
        }
        search.since = try time("since")
        search.until = try time("until")
        search.idempotencyKey = try text("key")
        search.content = try content()
        switch given["by"] {
        case nil, "": break
        case "log": search.walksLog = true
        case let other?:
            throw CommandRefusal(
                .invalid, "by is '\(other.prefix(60))'; it is log, to walk through all messages, or not given.")
        }
        try page(into: &search)
        return search
    }

    /// Of one group of what is parked.
    func parkedSearch() throws(CommandRefusal) -> MessageSearch {
        var search = MessageSearch()
        search.status = "parked"
        search.parkedReason = try text("reason", bytesMax: 4 * Self.reasonCharactersMax)
        guard search.parkedReason?.unicodeScalars.count ?? 0 <= Self.reasonCharactersMax else {
            throw CommandRefusal(.invalid, "reason has \(Self.reasonCharactersMax) characters, as a group tells it.")
        }
        search.type = try text("type")
        try page(into: &search)
        return search
    }

    private func page(into search: inout MessageSearch) throws(CommandRefusal) {
        search.before = try optionalID("before")
        search.limit = try count("limit", 1...100) ?? Self.pageDefault
    }

    /// `order.items[0].id`, with or without `$.` in front, and what stands there.
    private func content() throws(CommandRefusal) -> MessageSearch.Content? {
        let value = try text("value", bytesMax: Self.contentBytesMax)
        guard let path = try text("path", bytesMax: Self.contentBytesMax) else {
            guard value == nil else {
                throw CommandRefusal(.invalid, "value is what stands at path, which is missing.")
            }
            return nil
        }
        let parts = path.split { ".[]".contains($0) }.map(String.init)
        let steps = parts.first == "$" ? Array(parts.dropFirst()) : parts
        guard steps.count <= Self.pathMax else {
            throw CommandRefusal(.invalid, "path has \(Self.pathMax) steps at most, as in order.items[0].id.")
        }
        return MessageSearch.Content(path: steps, text: value, json: value.flatMap(Self.json))
    }

    /// The text, where it is JSON that PostgreSQL can read.
    private static func json(_ text: String) -> String? {
        guard JSONNumbers.firstOutOfRange(in: text.utf8) == nil, !text.contains("\\u0000"),
            (try? JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)) != nil
        else { return nil }
        return text
    }
}
