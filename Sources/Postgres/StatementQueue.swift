import Synchronization

/// The statements of a client that wait for a connection, and its connections that wait for a statement.
///
/// A statement waits for whichever connection is free next, never for a certain one: that may be waiting for a lock.
final class StatementQueue: Sendable {
    typealias Job = ConnectionThread.Job

    private struct State {
        var waiting = JobQueue()
        /// Connections that are up.
        var members: [ConnectionThread] = []
        /// Those of them that have nothing to do. The last one to stop is the first to go on.
        var idle: [ConnectionThread] = []
        var isClosed = false
        /// When the last connection went.
        var emptySince = ContinuousClock.now
        /// Whether a task watches over those that wait without a connection.
        var isWatched = false
        var lastError: PostgresError?

        /// - Returns: whether the caller must begin a watch.
        mutating func beginsWatch() -> Bool {
            guard !isWatched, nextExpiry != nil else { return false }
            isWatched = true
            return true
        }

        /// When the first of those that wait has waited for too long without a connection.
        var nextExpiry: ContinuousClock.Instant? {
            guard members.isEmpty, let since = waiting.first?.waitsSince else { return nil }
            return max(since, emptySince) + StatementQueue.waitWithoutConnection
        }
    }

    static let closedError = PostgresError(.closed, "The PostgreSQL client was closed.")
    /// How long a statement waits while no connection is up.
    private static let waitWithoutConnection: Duration = .seconds(1)

    private let configuration: PostgresConfiguration
    private let state = Mutex(State())

    init(_ configuration: PostgresConfiguration) { self.configuration = configuration }

    /// Whether a connection is up.
    var isAvailable: Bool { state.withLock { !$0.members.isEmpty && !$0.isClosed } }

    /// Why no connection is up; nil while one is.
    var lastError: PostgresError? { state.withLock { $0.members.isEmpty ? $0.lastError : nil } }

    func failedToConnect(_ error: PostgresError) { state.withLock { $0.lastError = error } }

    /// Gives a job to an idle connection, or lets it wait; one that can't is completed with its error here.
    func add(_ job: Job) {
        var job = job
        while true {
            switch state.withLock({ place(&job, &$0) }) {
            case .handed(let thread):
                // One that has just ended is replaced by another, or by the wait.
                if thread.take(job) == nil { return }
            case .waits(let beginsWatch):
                if beginsWatch { watch() }
                return
            case .refused(let error): return job.completion(.failure(error))
            }
        }
    }

    private enum Place {
        case handed(ConnectionThread)
        case waits(beginsWatch: Bool)
        case refused(PostgresError)
    }

    private func place(_ job: inout Job, _ state: inout State) -> Place {
        if state.isClosed { return .refused(Self.closedError) }
        if let thread = state.idle.popLast() { return .handed(thread) }
        guard state.waiting.count < ConnectionThread.jobsMax else {
            return .refused(
                PostgresError(
                    .overloaded, "\(ConnectionThread.jobsMax) statements already wait for \(configuration)."))
        }
        job.waitsSince = .now
        state.waiting.append(job)
        return .waits(beginsWatch: state.beginsWatch())
    }

    // MARK: for the connections

    /// Counts a connection among those that are up.
    /// - Returns: false when the client was closed.
    func join(_ thread: ConnectionThread) -> Bool {
        state.withLock { state in
            guard !state.isClosed else { return false }
            state.members.append(thread)
            return true
        }
    }

    /// The next job for a connection that has nothing to do. nil: it is idle from now on, and may be given one.
    func next(for thread: ConnectionThread) -> Job? {
        state.withLock { state in
            if let job = state.waiting.next() { return job }
            if !state.idle.contains(where: { $0 === thread }) { state.idle.append(thread) }
            return nil
        }
    }

    /// - Parameter unbegun: jobs that it was given while it ended.
    func leave(_ thread: ConnectionThread, _ reason: PostgresError, unbegun: [Job]) {
        let beginsWatch = state.withLock { state in
            guard let index = state.members.firstIndex(where: { $0 === thread }) else { return false }
            state.members.remove(at: index)
            state.idle.removeAll { $0 === thread }
            state.lastError = reason
            if state.members.isEmpty { state.emptySince = .now }
            return state.beginsWatch()
        }
        if beginsWatch { watch() }
        for job in unbegun { add(job) }
    }

    // MARK: the end

    /// Fails what waits.
    /// - Returns: the connections that are left, for the caller to close.
    func close() -> [ConnectionThread] {
        let (jobs, members) = state.withLock { state in
            state.isClosed = true
            return (state.waiting.removeAll(), state.members)
        }
        for job in jobs { job.completion(.failure(Self.closedError)) }
        return members
    }

    /// Fails those that have waited for so long without a connection, for as long as there is none and somebody waits.
    private func watch() {
        Task { [weak self] in
            while let deadline = self?.expire() { try? await Task.sleep(until: deadline, clock: .continuous) }
        }
    }

    /// - Returns: when the next one expires; nil ends the watch.
    private func expire() -> ContinuousClock.Instant? {
        let (expired, next, lastError) = state.withLock { state in
            var expired: [Job] = []
            while let deadline = state.nextExpiry, deadline <= .now,
                let job = state.waiting.next()
            { expired.append(job) }
            let next = state.nextExpiry
            state.isWatched = next != nil
            return (expired, next, state.lastError)
        }
        let reason = lastError.map { ": \($0.message)" } ?? "."
        for job in expired {
            job.completion(
                .failure(PostgresError(.noConnection, "No connection is up\(reason)", underlying: lastError)))
        }
        return next
    }
}
