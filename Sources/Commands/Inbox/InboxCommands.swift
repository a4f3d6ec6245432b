import Authentication
import BelfryModel
import Outbox

/// What clients may do with their own messages by STOMP: `/app/history`, `/app/unread`, `/app/viewed`, `/app/seen`,
/// `/app/delete` and `/app/snooze`. Each body is a JSON object.
public enum InboxCommands {
    /// All of them.
    public static func all(_ inbox: Inbox) -> [any AppCommand] {
        [
            History(inbox: inbox), Unread(inbox: inbox), Viewed(inbox: inbox), Seen(inbox: inbox),
            Delete(inbox: inbox), Snooze(inbox: inbox),
        ]
    }

    struct History: AppCommand {
        let name = "history"
        let isQuestion = true
        let inbox: Inbox

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            let asked = try InboxRequest(request.body, example: #"{"before":"42","limit":20}"#)
            var page = InboxStore.Page()
            (page.before, page.after) = (asked.before?.value, asked.after?.value)
            (page.type, page.isUnviewed) = (asked.type, asked.unviewed ?? false)
            page.limit = asked.limit ?? page.limit
            return CommandReply(json: try await inbox.history(page, of: identity).json)
        }
    }

    struct Unread: AppCommand {
        let name = "unread"
        let isQuestion = true
        let inbox: Inbox

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            try await inbox.unread(of: identity)
        }
    }

    struct Viewed: AppCommand {
        let name = "viewed"
        let inbox: Inbox

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            switch try InboxRequest(request.body, example: InboxRequest.viewedExample).viewed() {
            case .ids(let ids): try await inbox.markViewed(ids, of: identity)
            case .upTo(let id): try await inbox.markViewed(upTo: id, of: identity)
            }
        }
    }

    struct Seen: AppCommand {
        let name = "seen"
        let inbox: Inbox

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            let asked = try InboxRequest(request.body, example: InboxRequest.seenExample)
            return try await inbox.markSeen(upTo: try asked.seenUpTo(), of: identity)
        }
    }

    struct Delete: AppCommand {
        let name = "delete"
        let inbox: Inbox

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            guard let ids = try InboxRequest(request.body, example: #"{"ids":["41","42"]}"#).ids else {
                throw CommandRefusal(.invalid, #"the body lacks ids, as in {"ids":["41","42"]}."#)
            }
            return try await inbox.delete(ids.map(\.value), of: identity)
        }
    }

    struct Snooze: AppCommand {
        private static let example = #"{"id":"42","until":1893456000000}"#

        let name = "snooze"
        let inbox: Inbox

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            let asked = try InboxRequest(request.body, example: Self.example)
            guard let id = asked.id?.value, let until = asked.until else {
                throw CommandRefusal(.invalid, "the body lacks id or until, in milliseconds, as in \(Self.example).")
            }
            let copy = try await inbox.snooze(id, untilMilliseconds: until, of: identity)
            return CommandReply(json: "{\"snoozedAs\":\(copy.map { "\"\($0.rawValue)\"" } ?? "null")}")
        }
    }
}
