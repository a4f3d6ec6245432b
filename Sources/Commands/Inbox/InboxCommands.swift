import Authentication
import BelfryModel
import NIOCore
import Outbox
import Postgres

/// What clients may do with their own messages: `/app/history`, `/app/unread`, `/app/viewed`, `/app/seen`,
/// `/app/delete` and `/app/snooze`. Each body is a JSON object; each answer, too.
public enum InboxCommands {
    /// All of them.
    ///
    /// - Parameter store: its role is in `belfry_service`.
    public static func all(store: InboxStore) -> [any AppCommand] {
        [
            History(store: store), Unread(store: store), Viewed(store: store), Seen(store: store),
            Delete(store: store), Snooze(store: store),
        ]
    }

    struct History: AppCommand {
        /// Messages of a page at most, and bytes after which no more are added: the client asks for the next page.
        private static let limitMax = 100
        private static let bytesMax = 512 * 1024

        let name = "history"
        let isQuestion = true
        let store: InboxStore

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            let asked = try InboxRequest(request.body, example: #"{"before":"42","limit":20}"#)
            var page = InboxStore.Page()
            (page.before, page.after) = (asked.before?.value, asked.after?.value)
            (page.type, page.isUnviewed) = (asked.type, asked.unviewed ?? false)
            page.limit = asked.limit ?? page.limit
            guard (1...Self.limitMax).contains(page.limit) else {
                throw CommandRefusal(.invalid, "limit is \(page.limit); a page has 1 to \(Self.limitMax) messages.")
            }
            let (wanted, user) = (page, identity.user)
            let (listed, counts) = try await InboxCommands.asking { () async throws(PostgresError) in
                (try await store.history(of: user, wanted), try await store.unread(of: user))
            }
            var messages: [String] = []
            var bytes = 0
            for message in listed where messages.isEmpty || bytes < Self.bytesMax {
                bytes += message.body.utf8.count
                messages.append(message.body.dropLast() + ",\"seen\":\(message.isSeen)}")
            }
            let isCut = messages.count < listed.count
            return CommandReply(
                json: "{\"messages\":[\(messages.joined(separator: ","))],\"isCut\":\(isCut),\(counts.members)}")
        }
    }

    struct Unread: AppCommand {
        let name = "unread"
        let isQuestion = true
        let store: InboxStore

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            try await InboxCommands.counting { () async throws(PostgresError) in
                try await store.unread(of: identity.user)
            }
        }
    }

    struct Viewed: AppCommand {
        let name = "viewed"
        let store: InboxStore

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            let asked = try InboxRequest(request.body, example: #"{"ids":["41","42"]} or {"upTo":"42"}"#)
            return switch (asked.ids, asked.upTo?.value) {
            case (let ids?, nil):
                try await InboxCommands.counting { () async throws(PostgresError) in
                    try await store.markViewed(ids.map(\.value), of: identity.user)
                }
            case (nil, let id?):
                try await InboxCommands.counting { () async throws(PostgresError) in
                    try await store.markViewed(upTo: id, of: identity.user)
                }
            default:
                throw CommandRefusal(.invalid, "the body names either ids or upTo.")
            }
        }
    }

    struct Seen: AppCommand {
        let name = "seen"
        let store: InboxStore

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            guard let id = try InboxRequest(request.body, example: #"{"upTo":"42"}"#).upTo?.value else {
                throw CommandRefusal(.invalid, #"the body lacks upTo, as in {"upTo":"42"}."#)
            }
            return try await InboxCommands.counting { () async throws(PostgresError) in
                try await store.markSeen(upTo: id, of: identity.user)
            }
        }
    }

    struct Delete: AppCommand {
        let name = "delete"
        let store: InboxStore

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            guard let ids = try InboxRequest(request.body, example: #"{"ids":["41","42"]}"#).ids else {
                throw CommandRefusal(.invalid, #"the body lacks ids, as in {"ids":["41","42"]}."#)
            }
            return try await InboxCommands.counting { () async throws(PostgresError) in
                try await store.delete(ids.map(\.value), of: identity.user)
            }
        }
    }

    struct Snooze: AppCommand {
        private static let example = #"{"id":"42","until":1893456000000}"#

        let name = "snooze"
        let store: InboxStore

        func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply? {
            let asked = try InboxRequest(request.body, example: Self.example)
            guard let id = asked.id?.value, let until = asked.until else {
                throw CommandRefusal(.invalid, "the body lacks id or until, in milliseconds, as in \(Self.example).")
            }
            let copy = try await InboxCommands.asking { () async throws(PostgresError) in
                try await store.snooze(id, of: identity.user, untilMilliseconds: until)
            }
            return CommandReply(json: "{\"snoozedAs\":\(copy.map { "\"\($0.rawValue)\"" } ?? "null")}")
        }
    }

    private static func counting(
        _ body: () async throws(PostgresError) -> InboxStore.Counts
    ) async throws(CommandRefusal) -> CommandReply {
        CommandReply(json: "{\(try await asking(body).members)}")
    }

    private static func asking<R>(_ body: () async throws(PostgresError) -> R) async throws(CommandRefusal) -> R {
        do {
            return try await body()
        } catch {
            switch error.sqlState {
            case "55P03":
                throw CommandRefusal(
                    .unavailable, "another transaction holds these messages; nothing was changed, try again.",
                    underlying: error)
            // No index for it.
            case "55000": throw CommandRefusal(.invalid, "histories are not kept here.")
            default: throw CommandRefusal(error)
            }
        }
    }
}

extension InboxStore.Counts {
    /// As members of a JSON object.
    fileprivate var members: String { "\"unviewed\":\(unviewed),\"unseen\":\(unseen),\"changes\":\(changes)" }
}
