/// One connection, owned by a thread of its own. Calls are queued and run in order. It ends when it is closed, lost, or
/// no longer referenced, and does not come back: that is `PostgresClient`'s part.
public final class PostgresConnection: Sendable {
    private let thread: ConnectionThread

    private init(_ thread: ConnectionThread) { self.thread = thread }

    deinit { thread.close(atOnce: true) }

    /// Connects.
    /// - Throws: `.connection` or `.timeout`, with a message that names host, port, database and user.
    public static func connect(
        _ configuration: PostgresConfiguration
    ) async throws(PostgresError) -> PostgresConnection {
        PostgresConnection(try await ConnectionThread.start(configuration))
    }

    /// Runs one statement.
    /// - Throws: `.server` with the SQLSTATE; `.invalidValue`, `.overloaded`, `.closed` when nothing was sent;
    ///   `.connection`, `.timeout`, `.protocolViolation` when the connection ended by it.
    public func execute(
        _ statement: PostgresStatement, _ values: [PostgresValue] = []
    ) async throws(PostgresError) -> PostgresResult {
        let outcome = await withCheckedContinuation { continuation in
            execute(statement, values) { continuation.resume(returning: $0) }
        }
        return try outcome.get()
    }

    /// Runs one statement; `completion` is called on the connection's thread and must not block it.
    public func execute(
        _ statement: PostgresStatement, _ values: [PostgresValue],
        completion: @escaping @Sendable (Result<PostgresResult, PostgresError>) -> Void
    ) {
        thread.enqueue(.statement(statement, values), completion)
    }

    /// Runs several statements, without values and results, by the simple protocol; outside a transaction block they
    /// are one transaction.
    public func run(_ sql: String) async throws(PostgresError) {
        let outcome = await withCheckedContinuation { continuation in
            thread.enqueue(.script(sql)) { continuation.resume(returning: $0) }
        }
        _ = try outcome.get()
    }

    /// Runs a `COPY … TO STDOUT` and hands on what comes, one row at a time, so that a table of any size needs no
    /// memory.
    ///
    /// - Parameter sink: given each row as the server sends it (PostgreSQL docs, "COPY"), on the connection's thread.
    ///   It may block, as a full pipe does, and the server waits meanwhile. If it throws the connection ends.
    /// - Throws: as `execute` does; `.closed` with what the sink threw.
    public func copyOut(
        _ sql: String, to sink: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void
    ) async throws(PostgresError) {
        let outcome = await withCheckedContinuation { continuation in
            thread.enqueue(.copyOut(sql, sink)) { continuation.resume(returning: $0) }
        }
        _ = try outcome.get()
    }

    /// LISTENs on a channel, on top of the statements: what is notified while one runs is told after it. Only of use on
    /// a direct connection; for a connection that does nothing else and comes back there is `PostgresListener`.
    ///
    /// - Parameters:
    ///   - channel: the name as it is, case and all; 63 bytes at most.
    ///   - onNotification: given channel and payload on the connection's thread; must not block. It stands for all
    ///     channels: the last one counts.
    public func listen(
        to channel: String, onNotification: @escaping @Sendable (_ channel: String, _ payload: String) -> Void
    ) async throws(PostgresError) {
        thread.onNotification(onNotification)
        try await run("listen \(channel.quotedAsSQLIdentifier)")
    }

    /// Whether it has ended, or is about to.
    public var isClosed: Bool { thread.isEnded }

    /// Calls `handler` with the reason once the connection has ended, whoever ended it; at once if it has. On the
    /// connection's thread or the caller's.
    public func whenEnded(_ handler: @escaping @Sendable (PostgresError) -> Void) { thread.whenEnded(handler) }

    /// Ends the connection and returns when it has ended. The statement under way gets two seconds; what waits fails
    /// with `.closed`.
    public func close() async {
        thread.close(atOnce: false)
        _ = await thread.end()
    }

    /// The connection's own thread, for a task that does little but wait for its answers: they reach it there without a
    /// change of threads. What runs on it must not block; after the connection's end the task goes on elsewhere.
    public var taskExecutor: any TaskExecutor { thread }
}
