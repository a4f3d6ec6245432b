import Glibc
import Synchronization

/// The mailbox of one connection and the loop of its thread: jobs run in the order in which they came. A client's
/// connection takes its jobs from the client's queue, and gets one in its mailbox only when it has nothing to do.
final class ConnectionThread: Sendable {
    typealias Completion = @Sendable (Result<PostgresResult, PostgresError>) -> Void
    /// Channel and payload.
    typealias NotificationHandler = @Sendable (String, String) -> Void

    struct Job: Sendable {
        enum Work: Sendable {
            case statement(PostgresStatement, [PostgresValue])
            case script(String)
            case copyOut(String, @Sendable (UnsafeRawBufferPointer) throws -> Void)
        }
        let work: Work
        let completion: Completion
        /// Since when it has waited in a client's queue.
        var waitsSince: ContinuousClock.Instant?
    }

    private struct Mailbox {
        var jobs = JobQueue()
        /// Pieces of Swift tasks that run on this thread.
        var tasks: [UnownedJob] = []
        /// Whether the thread waits in poll(2), so that a new job must wake it.
        var isAsleep = false
        /// When a statement under way must have ended; set by `close`.
        var closeDeadline: ContinuousClock.Instant?
        /// Why the connection has ended.
        var end: PostgresError?
        var endHandlers: [@Sendable (PostgresError) -> Void] = []
        var notificationHandler: NotificationHandler?
    }

    /// Jobs waiting at most; more are refused.
    static let jobsMax = 20_000
    /// What a statement under way gets when the connection is closed.
    private static let closeGrace: Duration = .seconds(2)

    private let queue: StatementQueue?
    private let configuration: PostgresConfiguration
    private let wake: WakeUp
    private let mailbox = Mutex(Mailbox())

    private init(_ configuration: PostgresConfiguration, _ wake: WakeUp, _ queue: StatementQueue?) {
        self.configuration = configuration
        self.wake = wake
        self.queue = queue
    }

    /// Starts the thread, which connects first.
    /// - Parameter queue: of the client whose statements it runs.
    static func start(
        _ configuration: PostgresConfiguration, queue: StatementQueue? = nil
    ) async throws(PostgresError) -> ConnectionThread {
        guard let wake = WakeUp() else {
            throw PostgresError(.connection, "No file descriptor is left for a connection to \(configuration).")
        }
        let thread = ConnectionThread(configuration, wake, queue)
        let failure = await withCheckedContinuation { continuation in
            let started = OwnedThread.start { thread.main { continuation.resume(returning: $0) } }
            if !started {
                continuation.resume(
                    returning: PostgresError(.connection, "No thread is left for a connection to \(configuration)."))
            }
        }
        if let failure { throw failure }
        return thread
    }

    var isEnded: Bool { mailbox.withLock { $0.end != nil || $0.closeDeadline != nil } }

    /// Puts a job into the mailbox; one that can't be taken is completed with its error here.
    func enqueue(_ work: Job.Work, _ completion: @escaping Completion) {
        if let refusal = take(Job(work: work, completion: completion)) { completion(.failure(refusal)) }
    }

    /// Puts a job into the mailbox.
    /// - Returns: why it was not taken.
    func take(_ job: Job) -> PostgresError? {
        mailbox.withLock { mailbox -> PostgresError? in
            if let end = mailbox.end { return end }
            if mailbox.closeDeadline != nil { return Self.closedError }
            guard mailbox.jobs.count < Self.jobsMax else {
                return PostgresError(.overloaded, "\(Self.jobsMax) statements already wait for \(configuration).")
            }
            mailbox.jobs.append(job)
            if mailbox.isAsleep {
                mailbox.isAsleep = false
                wake.signal()
            }
            return nil
        }
    }

    /// Ends the connection: at once, or after a grace for the statement under way. What waits fails with `.closed`.
    func close(atOnce: Bool) {
        mailbox.withLock { mailbox in
            if mailbox.closeDeadline == nil || atOnce {
                mailbox.closeDeadline = ContinuousClock.now + (atOnce ? .zero : Self.closeGrace)
            }
        }
        wake.signal()
    }

    /// Waits for the end.
    /// - Returns: its reason, `.closed` after `close`.
    func end() async -> PostgresError {
        await withCheckedContinuation { continuation in
            whenEnded { continuation.resume(returning: $0) }
        }
    }

    /// Calls `handler` with the reason once the connection has ended; at once if it has.
    func whenEnded(_ handler: @escaping @Sendable (PostgresError) -> Void) {
        let end = mailbox.withLock { mailbox -> PostgresError? in
            if mailbox.end == nil { mailbox.endHandlers.append(handler) }
            return mailbox.end
        }
        if let end { handler(end) }
    }

    /// From now on notifications are told of, on the thread.
    func onNotification(_ handler: @escaping NotificationHandler) {
        mailbox.withLock { $0.notificationHandler = handler }
    }

    // MARK: on the thread

    private static let closedError = PostgresError(.closed, "The connection was closed.")

    /// Why the loop ended, and the job that it ended with, to be completed after everything is closed.
    private struct Ending {
        let reason: PostgresError
        var job: Job?
    }

    private func main(_ connected: (PostgresError?) -> Void) {
        do throws(PostgresError) {
            let ending = try connectAndLoop(connected)
            finish(ending)
        } catch {
            finish(Ending(reason: error))
            connected(error)
        }
    }

    /// The session ends with this call, before anybody is told of it.
    private func connectAndLoop(_ connected: (PostgresError?) -> Void) throws(PostgresError) -> Ending {
        let session = try ServerSession.connect(configuration, wake: wake) {
            self.mailbox.withLock { $0.closeDeadline }
        }
        if let queue, !queue.join(self) { throw Self.closedError }
        connected(nil)
        return loop(session)
    }

    private enum Step {
        case run(Job)
        case runTasks
        case sleep
        case end
    }

    private func loop(_ session: ServerSession) -> Ending {
        while true {
            runTasks()
            switch nextStep() {
            case .end: return Ending(reason: Self.closedError)
            case .runTasks: continue
            case .sleep:
                if let reason = sleep(session) { return Ending(reason: reason) }
            case .run(let job):
                let outcome = perform(job.work, session)
                if case .failure(let error) = outcome, Self.ends(error, session) {
                    return Ending(reason: error, job: job)
                }
                // Completions first: what rang during a statement may be in its answer, and is looked for after it.
                job.completion(outcome)
                takeNotifications(session)
            }
        }
    }

    /// Own jobs first, then the client's. Once the queue has said that there is none, it may put one into the mailbox,
    /// which is therefore looked into once more before the sleep.
    private func nextStep() -> Step {
        if let step = ownStep(sleeps: queue == nil) { return step }
        if let job = queue?.next(for: self) { return .run(job) }
        return ownStep(sleeps: true) ?? .sleep
    }

    private func ownStep(sleeps: Bool) -> Step? {
        mailbox.withLock { mailbox in
            if mailbox.closeDeadline != nil { return .end }
            if let job = mailbox.jobs.next() { return .run(job) }
            if !mailbox.tasks.isEmpty { return .runTasks }
            mailbox.isAsleep = sleeps
            return sleeps ? .sleep : nil
        }
    }

    private func perform(_ work: Job.Work, _ session: ServerSession) -> Result<PostgresResult, PostgresError> {
        do throws(PostgresError) {
            switch work {
            case .statement(let statement, let values): return .success(try session.execute(statement, values))
            case .script(let sql): return .success(try session.run(sql))
            case .copyOut(let sql, let sink): return .success(try session.copyOut(sql, to: sink))
            }
        } catch {
            return .failure(error)
        }
    }

    /// Whether the connection is of no more use after `error`.
    private static func ends(_ error: PostgresError, _ session: ServerSession) -> Bool {
        session.isBroken || [.connection, .timeout, .protocolViolation, .closed].contains(error.code)
    }

    /// Until a job comes or the socket has something to say, which for a dead connection is its end.
    private func sleep(_ session: ServerSession) -> PostgresError? {
        var entries = [
            pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: session.socket, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&entries, 2, -1) > 0 else { return nil }
        // What the handlers below enqueue is found without a wake-up.
        mailbox.withLock { $0.isAsleep = false }
        if entries[0].revents != 0 { wake.clear() }
        guard entries[1].revents != 0 else { return nil }
        do throws(PostgresError) {
            try session.consume()
            takeNotifications(session)
            return nil
        } catch {
            return error
        }
    }

    /// Those of a LISTEN nobody asked to be told of must not pile up either.
    private func takeNotifications(_ session: ServerSession) {
        while let (channel, payload) = session.nextNotification() {
            let handler = mailbox.withLock { $0.notificationHandler }
            handler?(channel, payload)
        }
    }

    /// Marks the end before anybody is told, so that whoever is told sees a closed connection.
    private func finish(_ ending: Ending) {
        let (jobs, handlers, tasks) = mailbox.withLock { mailbox in
            mailbox.end = ending.reason
            defer {
                mailbox.tasks = []
                mailbox.endHandlers = []
                mailbox.notificationHandler = nil
            }
            return (mailbox.jobs.removeAll(), mailbox.endHandlers, mailbox.tasks)
        }
        for task in tasks { globalConcurrentExecutor.enqueue(task) }
        if let queue {
            // What was not begun is run by another connection.
            queue.leave(self, ending.reason, unbegun: jobs)
            ending.job?.completion(.failure(ending.reason))
        } else {
            ending.job?.completion(.failure(ending.reason))
            for job in jobs { job.completion(.failure(ending.reason)) }
        }
        for handler in handlers { handler(ending.reason) }
    }
}

// MARK: Tasks

/// Runs pieces of Swift tasks between statements, so that a task which mostly waits for this connection's answers gets
/// them without a change of threads. What it runs must not block.
extension ConnectionThread: TaskExecutor {
    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        let hasEnded = mailbox.withLock { mailbox -> Bool in
            if mailbox.end != nil { return true }
            mailbox.tasks.append(job)
            if mailbox.isAsleep {
                mailbox.isAsleep = false
                wake.signal()
            }
            return false
        }
        // The task outlives the connection.
        if hasEnded { globalConcurrentExecutor.enqueue(job) }
    }

    /// Those that are there now: one that keeps coming back lets statements pass.
    private func runTasks() {
        let tasks = mailbox.withLock { mailbox in
            defer { mailbox.tasks = [] }
            return mailbox.tasks
        }
        for task in tasks { task.runSynchronously(on: asUnownedTaskExecutor()) }
    }
}
