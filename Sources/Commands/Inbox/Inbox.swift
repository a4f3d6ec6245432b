import Authentication
import BelfryModel
import Outbox
import Postgres

/// What users do with their own messages, for STOMP and HTTP alike: each answer is a JSON object.
///
/// Refusals are `.invalid` for what can't be, `.unavailable` while another transaction holds the messages or PostgreSQL
/// is away, and then nothing was done; `.outcomeUnknown` where PostgreSQL did not answer. Ids that are not the user's
/// are as if they did not exist.
public struct Inbox: Sendable {
    /// Messages of a page at most.
    public static let limitMax = 100
    /// Bytes after which no more messages are added to a page: the client asks for the next one.
    private static let pageBytesMax = 512 * 1024
    /// The same where there is no cursor for the rest.
    private static let bodiesBytesMax = 8 * 1024 * 1024

    private let store: InboxStore

    /// - Parameter store: its role is in `belfry_service`.
    public init(store: InboxStore) { self.store = store }

    /// A page of messages with the counts: `{"messages":[…],"isCut":false,"unviewed":3,"unseen":2,"changes":17}`.
    public func history(_ page: InboxStore.Page, of identity: Identity) async throws(CommandRefusal) -> HistoryPage {
        guard (1...Self.limitMax).contains(page.limit) else {
            throw CommandRefusal(.invalid, "limit is \(page.limit); a page has 1 to \(Self.limitMax) messages.")
        }
        if let type = page.type, type.isEmpty || type.utf8.count > 64 || type.utf8.contains(0) {
            throw CommandRefusal(.invalid, "type must be the name of a registered type, such as JSON_MSG.")
        }
        let user = identity.user
        let (listed, counts) = try await Self.reading { () async throws(PostgresError) in
            try await store.historyAndCounts(of: user, page)
        }
        var bytes = 0
        let fits = { (message: InboxStore.Listed) in
            defer { bytes += message.body.utf8.count }
            return bytes < Self.pageBytesMax
        }
        // What is cut off is what lies farther from the cursor.
        let messages =
            page.after == nil ? Array(listed.prefix(while: fits)) : listed.reversed().prefix(while: fits).reversed()
        return HistoryPage(messages: messages, isCut: messages.count < listed.count, counts: counts)
    }

    /// The bodies of some messages, newest first, by their number and not by a cursor; no more than 8 MiB of them.
    ///
    /// - Parameter start: how many are newer; with `count` 1,000 at most.
    public func bodies(
        of identity: Identity, from start: Int, count: Int
    ) async throws(CommandRefusal) -> [String] {
        var page = InboxStore.Page()
        page.limit = start + count
        let listed = try await Self.reading { () async throws(PostgresError) in
            try await store.history(of: identity.user, page, skipping: start)
        }
        var bytes = 0
        return listed.map(\.body).prefix { body in
            bytes += body.utf8.count
            return bytes <= Self.bodiesBytesMax
        }
    }

    /// One message, with `seen`; `nil` when it is not in the user's history.
    public func message(_ id: MessageID, of identity: Identity) async throws(CommandRefusal) -> CommandReply? {
        try await Self.reading { () async throws(PostgresError) in
            try await store.message(id, of: identity.user)
        }.map { CommandReply(json: $0.json) }
    }

    /// Whether a message is in the user's history: where there are none it is not.
    public func hasInHistory(_ id: MessageID, of identity: Identity) async throws(CommandRefusal) -> Bool {
        do throws(CommandRefusal) {
            return try await message(id, of: identity) != nil
        } catch  where error.code == .invalid && error.message == Self.notKept {
            return false
        }
    }

    /// How much is unread: `{"unviewed":3,"unseen":2,"changes":17}`, as for all that change it.
    public func unread(of identity: Identity) async throws(CommandRefusal) -> CommandReply {
        let counts = try await Self.reading { () async throws(PostgresError) in
            try await store.unread(of: identity.user)
        }
        return CommandReply(json: "{\(counts.members)}")
    }

    /// - Parameter ids: 1,000 at most.
    public func markViewed(_ ids: [MessageID], of identity: Identity) async throws(CommandRefusal) -> CommandReply {
        try await counting { () async throws(PostgresError) in try await store.markViewed(ids, of: identity.user) }
    }

    public func markViewed(upTo id: MessageID, of identity: Identity) async throws(CommandRefusal) -> CommandReply {
        try await counting { () async throws(PostgresError) in
            try await store.markViewed(upTo: id, of: identity.user)
        }
    }

    public func markSeen(upTo id: MessageID, of identity: Identity) async throws(CommandRefusal) -> CommandReply {
        try await counting { () async throws(PostgresError) in
            try await store.markSeen(upTo: id, of: identity.user)
        }
    }

    /// - Parameter ids: 1,000 at most.
    public func delete(_ ids: [MessageID], of identity: Identity) async throws(CommandRefusal) -> CommandReply {
        try await counting { () async throws(PostgresError) in try await store.delete(ids, of: identity.user) }
    }

    /// Takes a message away until a time, in Unix milliseconds.
    ///
    /// - Returns: the id under which it comes again; `nil` when it is not in the user's history.
    public func snooze(
        _ id: MessageID, untilMilliseconds until: Int64, of identity: Identity
    ) async throws(CommandRefusal) -> MessageID? {
        // PostgreSQL's times end later.
        guard (0...253_402_300_799_999).contains(until) else {
            throw CommandRefusal(.invalid, "until must be a time within the next year, in milliseconds since 1970.")
        }
        return try await Self.asking { () async throws(PostgresError) in
            try await store.snooze(id, of: identity.user, untilMilliseconds: until)
        }
    }

    /// What is said of all this where an installation does without histories.
    static let notKept = "histories are not kept here."

    private func counting(
        _ body: () async throws(PostgresError) -> InboxStore.Counts
    ) async throws(CommandRefusal) -> CommandReply {
        CommandReply(json: "{\(try await Self.asking(body).members)}")
    }

    /// What only reads is not done when its outcome is unknown.
    private static func reading<R>(_ body: () async throws(PostgresError) -> R) async throws(CommandRefusal) -> R {
        do throws(CommandRefusal) {
            return try await asking(body)
        } catch  where error.code == .outcomeUnknown {
            throw CommandRefusal(
                .unavailable, "the database did not answer in time; try again.", underlying: error.underlying)
        }
    }

    private static func asking<R>(_ body: () async throws(PostgresError) -> R) async throws(CommandRefusal) -> R {
        do {
            return try await LockPatience.retrying(body)
        } catch {
            switch error.sqlState {
            case "55P03":
                throw CommandRefusal(
                    .unavailable, "another transaction holds these messages; nothing was changed, try again.",
                    underlying: error)
            // No index for it.
            case "55000": throw CommandRefusal(.invalid, notKept)
            default: throw CommandRefusal(error)
            }
        }
    }
}

/// A page of a user's messages, newest first.
public struct HistoryPage: Sendable {
    public let messages: [InboxStore.Listed]
    /// Not all that were asked for fitted.
    public let isCut: Bool
    let counts: InboxStore.Counts

    /// The whole as a JSON object.
    public var json: String {
        "{\"messages\":[\(messages.map(\.json).joined(separator: ","))],\"isCut\":\(isCut),\(counts.members)}"
    }
}

extension InboxStore.Listed {
    /// The message as MESSAGE frames have it, and `seen`.
    var json: String { body.dropLast() + ",\"seen\":\(isSeen)}" }
}

extension InboxStore.Counts {
    /// As members of a JSON object.
    fileprivate var members: String { "\"unviewed\":\(unviewed),\"unseen\":\(unseen),\"changes\":\(changes)" }
}
