import Postgres

/// What runs a statement: one connection, where a leader's position must not outlive its session, or a client.
public protocol RelayStoreExecutor: Sendable {
    func execute(
        _ statement: PostgresStatement, _ values: [PostgresValue]
    ) async throws(PostgresError) -> PostgresResult
}

extension PostgresConnection: RelayStoreExecutor {}
extension PostgresClient: RelayStoreExecutor {}
