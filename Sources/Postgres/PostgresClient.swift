import Synchronization

/// Some connections that come back by themselves. A statement goes to the one with the least to do; statements given one
/// after another may therefore run at the same time. Statements must not open transactions or change session settings:
/// `withTransaction` is there for that.
public final class PostgresClient: Sendable {
    private let configuration: PostgresConfiguration
    private let pool: Mutex<ConnectionPool>
    private let supervisors = Mutex<[Task<Void, Never>]>([])
    private let stateHandler = Mutex<(@Sendable (Bool) -> Void)?>(nil)
    /// What the handler was told last. Held while it is told, so that the news keep their order.
    private let announced = Mutex(false)

    private static let closedError = PostgresError(.closed, "The PostgreSQL client was closed.")
    /// How long a statement waits when no connection is up.
    static let waitWithoutConnection: Duration = .seconds(1)
    /// How long it waits when every connection is up and in a transaction.
    static let waitForTransactions: Duration = .seconds(10)

    /// - Parameter size: the number of connections, one at least.
    public init(configuration: PostgresConfiguration, size: Int) {
        self.configuration = configuration
        pool = Mutex(ConnectionPool(size: max(1, size)))
    }

    deinit {
        for task in supervisors.withLock({ $0 }) { task.cancel() }
        for waiter in pool.withLock({ $0.close() }).1 { waiter.resume(.failure(Self.closedError)) }
    }

    /// Starts to connect; returns at once. A second call does nothing.
    public func start() {
        supervisors.withLock { tasks in
            guard tasks.isEmpty, !pool.withLock({ $0.isClosed }) else { return }
            let size = pool.withLock { $0.size }
            let find: @Sendable () -> PostgresClient? = { [weak self] in self }
            tasks = (0..<size).map { slot in Task { await Self.supervise(slot, find) } }
        }
    }

    /// Ends the connections; statements under way get two seconds, those that wait fail with `.closed`.
    public func close() async {
        let (connections, waiters) = pool.withLock { $0.close() }
        for waiter in waiters { waiter.resume(.failure(Self.closedError)) }
        await withTaskGroup(of: Void.self) { group in
            for connection in connections { group.addTask { await connection.close() } }
        }
        for task in supervisors.withLock({ $0 }) { task.cancel() }
        announce()
    }

    /// Whether at least one connection is up.
    public var isAvailable: Bool { pool.withLock { $0.isAvailable } }

    /// Why the last try to connect failed or the last connection ended; nil once one is up.
    public var lastError: PostgresError? { pool.withLock { $0.isAvailable ? nil : $0.lastError } }

    /// Told true when the first connection comes up and false when the last one has gone, in that order. It is called
    /// on some thread and must not block.
    public var onStateChange: (@Sendable (Bool) -> Void)? {
        get { stateHandler.withLock { $0 } }
        set { stateHandler.withLock { $0 = newValue } }
    }

    /// Runs one statement. Without a connection it waits for one, a second at most.
    /// - Throws: as `PostgresConnection.execute`. A statement whose connection is lost is not repeated: whether it took
    ///   effect is not known here.
    public func execute(
        _ statement: PostgresStatement, _ values: [PostgresValue] = []
    ) async throws(PostgresError) -> PostgresResult {
        let outcome = await withCheckedContinuation { continuation in
            execute(statement, values) { continuation.resume(returning: $0) }
        }
        return try outcome.get()
    }

    /// Runs one statement; `completion` is called on a thread of the client's and must not block it.
    public func execute(
        _ statement: PostgresStatement, _ values: [PostgresValue],
        completion: @escaping @Sendable (Result<PostgresResult, PostgresError>) -> Void
    ) {
        if let connection = pool.withLock({ $0.leastLoaded()?.connection }) {
            return connection.execute(statement, values, completion: completion)
        }
        wait(exclusively: false) { outcome in
            switch outcome {
            case .success(let lease): lease.connection.execute(statement, values, completion: completion)
            case .failure(let error): completion(.failure(error))
            }
        }
    }

    /// Runs `body` in a transaction on a connection of its own: COMMIT when it returns, ROLLBACK when it throws.
    ///
    /// - Throws: what `body` throws; `.server` when COMMIT is refused, or turned into a ROLLBACK because `body` took no
    ///   notice of a failed statement; `.connection` when the connection was lost, which at COMMIT leaves open whether
    ///   the transaction took effect.
    public func withTransaction<R: Sendable>(
        _ body: @Sendable (PostgresTransaction) async throws -> R
    ) async throws -> R {
        let lease = try await lease()
        defer { giveBack(lease) }
        return try await lease.connection.transact(body)
    }

    // MARK: leases

    private func lease() async throws(PostgresError) -> ConnectionPool.Lease {
        let outcome = await withCheckedContinuation { continuation in
            if let lease = pool.withLock({ $0.takeExclusively() }) {
                continuation.resume(returning: Result<_, PostgresError>.success(lease))
            } else {
                wait(exclusively: true) { continuation.resume(returning: $0) }
            }
        }
        return try outcome.get()
    }

    private func giveBack(_ lease: ConnectionPool.Lease) {
        for hand in pool.withLock({ $0.giveBack(lease) }) { hand.waiter.resume(.success(hand.lease)) }
    }

    /// Waits for a connection; the wait ends by itself.
    private func wait(exclusively: Bool, _ resume: @escaping ConnectionPool.Waiter.Resume) {
        let (hands, id, refusal) = pool.withLock { pool -> ([ConnectionPool.Hand], Int, PostgresError?) in
            if pool.isClosed { return ([], 0, Self.closedError) }
            guard pool.waiters.count < ConnectionThread.jobsMax else {
                return ([], 0, PostgresError(.overloaded, "Too many statements wait for \(configuration) already."))
            }
            let id = pool.addWaiter(exclusively: exclusively, resume)
            // One may have come up since the caller looked.
            return (pool.serveWaiters(), id, nil)
        }
        if let refusal { return resume(.failure(refusal)) }
        for hand in hands { hand.waiter.resume(.success(hand.lease)) }
        if hands.contains(where: { $0.waiter.id == id }) { return }
        Task { [weak self] in
            try? await Task.sleep(for: Self.waitWithoutConnection)
            if self?.isAvailable == true, self?.stillWaits(id) == true {
                try? await Task.sleep(for: Self.waitForTransactions - Self.waitWithoutConnection)
            }
            self?.expire(id)
        }
    }

    private func stillWaits(_ id: Int) -> Bool { pool.withLock { $0.waiters.contains { $0.id == id } } }

    private func expire(_ id: Int) {
        let (waiter, isAvailable, lastError) = pool.withLock {
            ($0.removeWaiter(id), $0.isAvailable, $0.lastError)
        }
        guard let waiter else { return }
        if isAvailable {
            let message = "Every connection to \(configuration) is in a transaction, and none became free in time."
            return waiter.resume(.failure(PostgresError(.timeout, message)))
        }
        let reason = lastError.map { ": \($0.message)" } ?? "."
        waiter.resume(
            .failure(PostgresError(.connection, "No connection is up\(reason)", underlying: lastError)))
    }

    // MARK: supervision

    /// Keeps one slot connected for as long as the client lives and isn't closed. It holds the client only between the
    /// long waits, so that a client that nobody references ends.
    private static func supervise(_ slot: Int, _ client: @Sendable () -> PostgresClient?) async {
        var pause = RetryPause()
        guard let configuration = client()?.configuration else { return }
        while !Task.isCancelled {
            var age: Duration = .zero
            do throws(PostgresError) {
                let connection = try await PostgresConnection.connect(configuration)
                guard let isWanted = client()?.connected(slot, connection), isWanted else {
                    return await connection.close()
                }
                let start = ContinuousClock.now
                let reason = await withTaskCancellationHandler {
                    await connection.end()
                } onCancel: {
                    connection.drop()
                }
                age = ContinuousClock.now - start
                client()?.disconnected(slot, reason)
            } catch {
                client()?.failedToConnect(error)
            }
            try? await Task.sleep(for: pause.next(after: age))
        }
    }

    private func connected(_ slot: Int, _ connection: PostgresConnection) -> Bool {
        let hands = pool.withLock { pool -> [ConnectionPool.Hand]? in
            if pool.isClosed { return nil }
            pool.connected(slot, connection)
            return pool.serveWaiters()
        }
        guard let hands else { return false }
        for hand in hands { hand.waiter.resume(.success(hand.lease)) }
        announce()
        return true
    }

    private func disconnected(_ slot: Int, _ reason: PostgresError) {
        pool.withLock { $0.disconnected(slot, reason) }
        announce()
    }

    private func failedToConnect(_ error: PostgresError) {
        pool.withLock { $0.lastError = error }
    }

    private func announce() {
        announced.withLock { announced in
            let now = isAvailable
            guard now != announced else { return }
            announced = now
            onStateChange?(now)
        }
    }
}
