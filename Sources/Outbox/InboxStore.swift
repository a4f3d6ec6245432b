import BelfryModel
import Postgres

/// What a user has of the messages after delivery, by the functions that applications call, too.
///
/// Refusals come as `PostgresError`s with `.server`, whose message and hint are written for people; SQLSTATE 55P03 says
/// that another transaction holds what is to be changed, and then nothing was.
public struct InboxStore: Sendable {
    /// How much is unread: 1,000 stands for more than 999.
    public struct Counts: Hashable, Sendable {
        public let unviewed: Int
        /// Of them what no open list has shown.
        public let unseen: Int
        /// Of two counts the one with more changes is newer.
        public let changes: Int64
    }

    /// Which messages of a history.
    public struct Page: Sendable {
        /// The ids that it lies before, or after; neither for the newest.
        public var before: MessageID?
        public var after: MessageID?
        /// 1 to 1,000.
        public var limit = 50
        public var type: String?
        /// Only what is not viewed.
        public var isUnviewed = false

        public init() {}
    }

    /// A message of a history.
    public struct Listed: Sendable {
        public let id: MessageID
        /// As MESSAGE frames have it, in JSON.
        public let body: String
        public let isSeen: Bool
    }

    private let executor: any RelayStoreExecutor

    /// - Parameter executor: its role is in `belfry_service` or `belfry_writer`.
    public init(executor: any RelayStoreExecutor) { self.executor = executor }

    /// A page of a user's messages, newest first, without its first ones.
    public func history(
        of user: String, _ page: Page, skipping count: Int = 0
    ) async throws(PostgresError) -> [Listed] {
        let result = try await executor.execute(
            InboxStatements.history, Self.values(user, page) + [.int64(Int64(count))])
        return (0..<result.rowCount).map { Listed(result, row: $0) }
    }

    /// A page of a user's messages, newest first, and what is unread at the same moment.
    public func historyAndCounts(of user: String, _ page: Page) async throws(PostgresError) -> ([Listed], Counts) {
        let result = try await executor.execute(InboxStatements.historyAndCounts, Self.values(user, page))
        let rows = (0..<result.rowCount).filter { result.int64($0, 2) != nil }
        return (rows.map { Listed(result, row: $0) }, Self.counts(result, from: 3))
    }

    private static func values(_ user: String, _ page: Page) -> [PostgresValue] {
        [
            .text(user), value(page.before), value(page.after), .int64(Int64(page.limit)),
            page.type.map { .text($0) } ?? .null, .bool(page.isUnviewed),
        ]
    }

    /// One message of a user's history; `nil` when it is not there.
    public func message(_ id: MessageID, of user: String) async throws(PostgresError) -> Listed? {
        guard id.rawValue > 0, id.rawValue < Int64.max else { return nil }
        let result = try await executor.execute(
            InboxStatements.message, [.text(user), .int64(id.rawValue + 1), .int64(id.rawValue)])
        return result.rowCount > 0 ? Listed(result, row: 0) : nil
    }

    public func unread(of user: String) async throws(PostgresError) -> Counts {
        try await counts(InboxStatements.unread, [.text(user)])
    }

    /// Marks messages of a user's as viewed: 1,000 at most.
    public func markViewed(_ ids: [MessageID], of user: String) async throws(PostgresError) -> Counts {
        try await counts(InboxStatements.markViewed, [.text(user), .int64Array(ids.map(\.rawValue))])
    }

    /// The same of all messages up to one.
    public func markViewed(upTo id: MessageID, of user: String) async throws(PostgresError) -> Counts {
        try await counts(InboxStatements.markViewedUpTo, [.text(user), .int64(id.rawValue)])
    }

    /// Notes that an open list has shown all messages up to one.
    public func markSeen(upTo id: MessageID, of user: String) async throws(PostgresError) -> Counts {
        try await counts(InboxStatements.markSeen, [.text(user), .int64(id.rawValue)])
    }

    /// Takes messages out of a user's history and backlog: 1,000 at most.
    public func delete(_ ids: [MessageID], of user: String) async throws(PostgresError) -> Counts {
        try await counts(InboxStatements.delete, [.text(user), .int64Array(ids.map(\.rawValue))])
    }

    /// Takes a message away until a time, in Unix milliseconds.
    ///
    /// - Returns: the id under which it comes again; `nil` when the user has no such message.
    public func snooze(
        _ id: MessageID, of user: String, untilMilliseconds: Int64
    ) async throws(PostgresError) -> MessageID? {
        let result = try await executor.execute(
            InboxStatements.snooze, [.text(user), .int64(id.rawValue), .int64(untilMilliseconds)])
        return result.int64(0, 0).map { MessageID(rawValue: $0) }
    }

    private func counts(_ statement: PostgresStatement, _ values: [PostgresValue]) async throws(PostgresError) -> Counts
    {
        Self.counts(try await executor.execute(statement, values), from: 0)
    }

    private static func counts(_ result: PostgresResult, from column: Int) -> Counts {
        Counts(
            unviewed: Int(result.int64(0, column) ?? 0), unseen: Int(result.int64(0, column + 1) ?? 0),
            changes: result.int64(0, column + 2) ?? 0)
    }

    private static func value(_ id: MessageID?) -> PostgresValue { id.map { .int64($0.rawValue) } ?? .null }
}

extension InboxStore.Listed {
    fileprivate init(_ result: PostgresResult, row: Int) {
        self.init(
            id: MessageID(rawValue: result.int64(row, 2) ?? 0), body: result.string(row, 0),
            isSeen: result.bool(row, 1))
    }
}

/// The statements behind it, each one call; the functions say which index they go by.
///
/// They wait for a lock for ten milliseconds, as `NodeMarkStatements.markDeliveredAtOnce` does, and fail with 55P03: a
/// change holds the user's row meanwhile, for which an application may come to wait, and a read a connection.
enum InboxStatements {
    /// A server process that hangs holds up what others ask for on its connection.
    private static let timeLimit = Duration.seconds(20)

    /// A function's call with the user as its first argument, `u.receiver`, once it is known how long to wait.
    private static func patient(_ name: String, _ columns: String, _ call: String) -> PostgresStatement {
        PostgresStatement(
            name,
            """
            with \(NodeMarkStatements.patience)
            select \(columns)
            from (select case when p.milliseconds <> '' then $1::text end as receiver from patience p offset 0) u
            cross join lateral \(call)
            """, timeLimit: timeLimit)
    }

    private static let counts = "c.unviewed, c.unseen, c.changes"
    private static let listed =
        "belfry.body(h.id, h.type, u.receiver, null, h.data, h.viewed_at, h.created_at), h.seen, h.id"

    private static let page =
        "belfry.history(u.receiver, $2::bigint, $3::bigint, $4::bigint::integer, $5, $6::boolean)"

    /// Bodies are made of those that are not skipped.
    static let history = patient(
        "belfry_inbox_history", listed, "(select * from \(page) p order by p.id desc offset $7::bigint) h")

    /// Both functions see what the statement sees.
    static let historyAndCounts = patient(
        "belfry_inbox_history_and_counts", "\(listed), \(counts)",
        "belfry.unread(u.receiver) c left join lateral \(page) h on true")

    /// A page of one: the newest below the next id.
    static let message = patient(
        "belfry_inbox_message", listed,
        "belfry.history(u.receiver, before => $2::bigint, \"limit\" => 1) h where h.id = $3::bigint")

    static let unread = patient("belfry_inbox_unread", counts, "belfry.unread(u.receiver) c")

    static let markViewed = patient(
        "belfry_inbox_viewed", counts, "belfry.mark_viewed(u.receiver, ids => $2::bigint[]) c")

    static let markViewedUpTo = patient(
        "belfry_inbox_viewed_up_to", counts, "belfry.mark_viewed(u.receiver, up_to => $2::bigint) c")

    static let markSeen = patient("belfry_inbox_seen", counts, "belfry.mark_seen(u.receiver, $2::bigint) c")

    static let delete = patient("belfry_inbox_delete", counts, "belfry.delete_for(u.receiver, $2::bigint[]) c")

    static let snooze = patient(
        "belfry_inbox_snooze", "c.id",
        """
        (select belfry.snooze(u.receiver, $2::bigint, to_timestamp($3::bigint / 1000.0::float8)) as id) c
        """)
}
