import Postgres

/// What operators did, as `belfry.audit` keeps it.
public struct AuditStore: Sendable {
    /// One act.
    public struct Entry: Sendable {
        public let id: Int64
        /// A JSON object.
        public let json: String
    }

    private let executor: any RelayStoreExecutor

    /// - Parameter executor: its role is in `belfry_operator` or `belfry_service`.
    public init(executor: any RelayStoreExecutor) { self.executor = executor }

    /// A page of acts, the newest first.
    ///
    /// - Parameter before: the last id of the page before.
    public func page(before: Int64?, limit: Int) async throws(PostgresError) -> [Entry] {
        let result = try await executor.execute(
            AuditStatements.page, [.int64(before ?? .max), .int64(Int64(limit))])
        return (0..<result.rowCount).map { Entry(id: result.int64($0, 0) ?? 0, json: result.string($0, 1)) }
    }
}

/// Its statement.
enum AuditStatements {
    /// Plan: by primary key, backwards.
    static let page = PostgresStatement(
        "belfry_audit_page",
        """
        select a.id, json_build_object(
            'id', a.id::text, 'at', (date_part('epoch', a.at) * 1000)::bigint, 'who', a.who, 'actor', a.actor,
            'act', a.act, 'details', a.details)::text
        from belfry.audit a where a.id < $1::bigint order by a.id desc limit $2::bigint
        """, timeLimit: .seconds(20))
}
