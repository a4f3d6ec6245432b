import Synchronization

/// An open transaction, for the time of `PostgresClient.withTransaction`.
public final class PostgresTransaction: Sendable {
    private let connection: PostgresConnection
    private let isOver = Atomic<Bool>(false)

    init(_ connection: PostgresConnection) { self.connection = connection }

    /// Runs one statement inside the transaction. After a `.server` error every further one fails too (25P02).
    /// - Throws: as `PostgresConnection.execute`; `.closed` after the transaction's end.
    public func execute(
        _ statement: PostgresStatement, _ values: [PostgresValue] = []
    ) async throws(PostgresError) -> PostgresResult {
        try checkOpen()
        return try await connection.execute(statement, values)
    }

    /// Runs several statements inside the transaction. They must not end it.
    public func run(_ sql: String) async throws(PostgresError) {
        try checkOpen()
        try await connection.run(sql)
    }

    func end() { isOver.store(true, ordering: .relaxed) }

    private func checkOpen() throws(PostgresError) {
        guard !isOver.load(ordering: .relaxed) else {
            throw PostgresError(.closed, "The transaction is over: nothing can be run in it any more.")
        }
    }
}

extension PostgresConnection {
    private static let begin = PostgresStatement("", "begin")
    private static let commit = PostgresStatement("", "commit")
    private static let rollback = PostgresStatement("", "rollback")

    /// Runs `body` between BEGIN and COMMIT. Nobody else may use the connection meanwhile.
    func transact<R: Sendable>(_ body: @Sendable (PostgresTransaction) async throws -> R) async throws -> R {
        _ = try await execute(Self.begin)
        let transaction = PostgresTransaction(self)
        let value: R
        do {
            value = try await body(transaction)
        } catch {
            transaction.end()
            do throws(PostgresError) {
                _ = try await execute(Self.rollback)
            } catch {
                drop()
            }
            throw error
        }
        transaction.end()
        let result = try await execute(Self.commit)
        guard result.commandTag == "COMMIT" else {
            // The server answers so to COMMIT when a statement before it failed and the body took no notice.
            throw PostgresError(
                .server, "The transaction was rolled back, because a statement in it had failed.", sqlState: "25P02")
        }
        return value
    }
}
