import Postgres

/// A receiver or a type whose messages are traced: a row of `belfry.watch`.
public struct Watch: Hashable, Sendable {
    public let id: Int64
    public let receiver: String?
    public let type: String?
    /// Seconds until it ends by itself, as of now.
    public let secondsLeft: Double
    /// The role that set it.
    public let who: String
}

/// Sets and ends watches, for `belfry watch`.
public struct WatchStore: Sendable {
    private let executor: any RelayStoreExecutor

    /// - Parameter executor: its role is in `belfry_operator`.
    public init(executor: any RelayStoreExecutor) { self.executor = executor }

    /// Watches that have not ended, in the order in which they were set.
    public func watches() async throws(PostgresError) -> [Watch] {
        let result = try await executor.execute(WatchStatements.watches, [])
        return (0..<result.rowCount).map { row in
            Watch(
                id: result.int64(row, 0) ?? 0, receiver: result.optionalString(row, 1),
                type: result.optionalString(row, 2), secondsLeft: result.double(row, 3) ?? 0,
                who: result.string(row, 4))
        }
    }

    /// Sets a watch for a receiver or for a type. Returns its id.
    public func set(receiver: String?, type: String?, for time: Duration) async throws(PostgresError) -> Int64 {
        let result = try await executor.execute(
            WatchStatements.set,
            [
                receiver.map { .text($0) } ?? .null, type.map { .text($0) } ?? .null, .int64(time.milliseconds),
            ])
        return result.int64(0, 0) ?? 0
    }

    /// Ends a watch. Returns false when there is none of that id.
    public func end(_ id: Int64) async throws(PostgresError) -> Bool {
        try await executor.execute(WatchStatements.end, [.int64(id)]).bool(0, 0)
    }
}

/// The text of its statements. Plan: the table, which holds a hundred rows at most.
enum WatchStatements {
    static let watches = PostgresStatement(
        "",
        """
        select w.id, w.receiver, w.type, date_part('epoch', w.until - statement_timestamp()), w.who
        from belfry.watch w where w.until > statement_timestamp() order by w.id
        """)

    static let set = PostgresStatement(
        "",
        """
        select belfry.set_watch($1::text, $2::text, statement_timestamp() + $3::bigint * interval '1 millisecond')
        """)

    static let end = PostgresStatement("", "select belfry.end_watch($1::bigint)")
}
