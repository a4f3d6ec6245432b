import Synchronization

/// Some connections that come back by themselves. A statement goes to one that is free, or waits for the one that is
/// free next; statements given one after another may therefore run at the same time. Statements must not open
/// transactions or change session settings: `PostgresConnection` is there for that.
public final class PostgresClient: Sendable {
    private let configuration: PostgresConfiguration
    private let size: Int
    private let queue: StatementQueue
    private let supervisors = Mutex<(tasks: [Task<Void, Never>], isClosed: Bool)>(([], false))
    private let stateHandler = Mutex<(@Sendable (Bool) -> Void)?>(nil)
    /// What the handler was told last. Held while it is told, so that the news keep their order.
    private let announced = Mutex(false)

    /// - Parameter size: the number of connections, one at least.
    public init(configuration: PostgresConfiguration, size: Int) {
        self.configuration = configuration
        self.size = max(1, size)
        queue = StatementQueue(configuration)
    }

    deinit {
        for task in supervisors.withLock({ $0.tasks }) { task.cancel() }
        for thread in queue.close() { thread.close(atOnce: true) }
    }

    /// Starts to connect; returns at once. A second call does nothing.
    public func start() {
        supervisors.withLock { supervisors in
            guard supervisors.tasks.isEmpty, !supervisors.isClosed else { return }
            let (configuration, queue) = (configuration, queue)
            let announce: @Sendable () -> Void = { [weak self] in self?.announce() }
            supervisors.tasks = (0..<size).map { _ in Task { await Self.supervise(configuration, queue, announce) } }
        }
    }

    /// Ends the connections; statements under way get two seconds, those that wait fail with `.closed`.
    public func close() async {
        let tasks = supervisors.withLock { supervisors in
            supervisors.isClosed = true
            return supervisors.tasks
        }
        let threads = queue.close()
        for thread in threads { thread.close(atOnce: false) }
        for thread in threads { _ = await thread.end() }
        for task in tasks { task.cancel() }
        announce()
    }

    /// Whether at least one connection is up.
    public var isAvailable: Bool { queue.isAvailable }

    /// Why the last try to connect failed or the last connection ended; nil once one is up.
    public var lastError: PostgresError? { queue.lastError }

    /// Told true when the first connection comes up and false when the last one has gone, in that order. It is called
    /// on some thread and must not block.
    public var onStateChange: (@Sendable (Bool) -> Void)? {
        get { stateHandler.withLock { $0 } }
        set { stateHandler.withLock { $0 = newValue } }
    }

    /// Runs one statement. While no connection is up it waits for one, a second at most; while all are busy, until one
    /// is free.
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
        queue.add(ConnectionThread.Job(work: .statement(statement, values), completion: completion))
    }

    // MARK: supervision

    /// Keeps one connection up until the task is cancelled. It does not hold the client, so that one that nobody
    /// references ends.
    private static func supervise(
        _ configuration: PostgresConfiguration, _ queue: StatementQueue, _ announce: @Sendable () -> Void
    ) async {
        var pause = RetryPause()
        while !Task.isCancelled {
            var age: Duration = .zero
            do throws(PostgresError) {
                let thread = try await ConnectionThread.start(configuration, queue: queue)
                announce()
                let start = ContinuousClock.now
                await withTaskCancellationHandler {
                    _ = await thread.end()
                } onCancel: {
                    thread.close(atOnce: true)
                }
                age = ContinuousClock.now - start
                announce()
            } catch {
                queue.failedToConnect(error)
            }
            try? await Task.sleep(for: pause.next(after: age))
        }
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
