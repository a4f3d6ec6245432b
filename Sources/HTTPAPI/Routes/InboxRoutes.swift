import BelfryModel
import Commands
import Foundation
import HTTPTypes
import Hummingbird
import Outbox

/// What users do with their own messages.
struct InboxRoutes: Sendable {
    let inbox: Inbox
    let cancel: CancelMessage

    var all: [Route] {
        let (inbox, cancel) = (inbox, cancel)
        return [
            Route(.get, "/api/v1/messages") { request throws(Problem) in
                let page = try Self.page(of: request)
                let history = try await Self.asking { () async throws(CommandRefusal) in
                    try await inbox.history(page, of: request.identity)
                }
                return request.answerToPoll(history.json, fields: Self.links(of: history, page))
            },
            Route(.get, "/api/v1/messages/{id}") { request throws(Problem) in
                _ = try request.query()
                let id = try request.messageID()
                let message = try await Self.asking { () async throws(CommandRefusal) in
                    try await inbox.message(id, of: request.identity)
                }
                guard let message else { throw Problem.notFound }
                return request.answerToPoll(message.json)
            },
            Route(.get, "/api/v1/unread") { request throws(Problem) in
                _ = try request.query()
                let counts = try await Self.asking { () async throws(CommandRefusal) in
                    try await inbox.unread(of: request.identity)
                }
                return request.answerToPoll(counts.json)
            },
            Route(.post, "/api/v1/viewed") { request throws(Problem) in
                let body = try await request.json()
                return request.answer(
                    try await Self.asking { () async throws(CommandRefusal) in
                        switch try InboxRequest(body, example: InboxRequest.viewedExample).viewed() {
                        case .ids(let ids): try await inbox.markViewed(ids, of: request.identity)
                        case .upTo(let id): try await inbox.markViewed(upTo: id, of: request.identity)
                        }
                    }.json)
            },
            Route(.post, "/api/v1/seen") { request throws(Problem) in
                let body = try await request.json()
                return request.answer(
                    try await Self.asking { () async throws(CommandRefusal) in
                        let asked = try InboxRequest(body, example: InboxRequest.seenExample)
                        return try await inbox.markSeen(upTo: try asked.seenUpTo(), of: request.identity)
                    }.json)
            },
            Route(.post, "/api/v1/messages/{id}/snooze") { request throws(Problem) in
                let id = try request.messageID()
                let body = try await request.json()
                let copy = try await Self.asking { () async throws(CommandRefusal) in
                    let example = #"{"until":1893456000000}"#
                    guard let until = try InboxRequest(body, example: example).until else {
                        throw CommandRefusal(.invalid, "the body lacks until, in milliseconds, as in \(example).")
                    }
                    return try await inbox.snooze(id, untilMilliseconds: until, of: request.identity)
                }
                guard let copy else { throw Problem.notFound }
                return request.answer("{\"snoozedAs\":\"\(copy)\"}")
            },
            Route(.delete, "/api/v1/messages/{id}") { request throws(Problem) in
                _ = try request.query()
                let id = try request.messageID()
                let identity = request.identity
                let response = try await Self.asking { () async throws(CommandRefusal) -> Response? in
                    if try await inbox.hasInHistory(id, of: identity) {
                        return request.answer(try await inbox.delete([id], of: identity).json)
                    }
                    return try await cancel.run(id, by: identity) ? Response(status: .noContent) : nil
                }
                guard let response else { throw Problem.notFound }
                return response
            },
        ]
    }

    // MARK: Pages

    private static func page(of request: APIRequest) throws(Problem) -> InboxStore.Page {
        let query = try request.query("before", "after", "limit", "type", "unviewed")
        var page = InboxStore.Page()
        page.before = try id(query["before"], "before")
        page.after = try id(query["after"], "after")
        page.type = query["type"]
        if let limit = query["limit"] {
            guard let limit = Int(limit), (1...Inbox.limitMax).contains(limit) else {
                throw .invalid("limit is '\(limit.prefix(60))'; a page has 1 to \(Inbox.limitMax) messages.")
            }
            page.limit = limit
        }
        switch query["unviewed"] {
        case nil, "false": page.isUnviewed = false
        case "true": page.isUnviewed = true
        case let other?: throw .invalid("unviewed is '\(other.prefix(60))'; it is true or false.")
        }
        return page
    }

    private static func id(_ text: String?, _ name: String) throws(Problem) -> MessageID? {
        guard let text else { return nil }
        guard let id = MessageID(text) else {
            throw .invalid("\(name) is '\(text.prefix(60))'; it is a message's id, a number from 1 to \(Int64.max).")
        }
        return id
    }

    /// Where the next page is (RFC 8288).
    private static func links(of history: HistoryPage, _ page: InboxStore.Page) -> HTTPFields {
        guard page.after == nil, history.messages.count == page.limit || history.isCut,
            let last = history.messages.last?.id
        else { return [:] }
        var query = "before=\(last)&limit=\(page.limit)"
        if let type = page.type {
            query += "&type=\(type.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? type)"
        }
        if page.isUnviewed { query += "&unviewed=true" }
        return [.link: "</api/v1/messages?\(query)>; rel=\"next\""]
    }

    static func asking<R>(_ body: () async throws(CommandRefusal) -> R) async throws(Problem) -> R {
        do throws(CommandRefusal) {
            return try await body()
        } catch {
            throw Problem(error)
        }
    }
}
