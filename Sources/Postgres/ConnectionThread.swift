import Glibc
import Synchronization

/// The mailbox of one connection and the loop of its thread: jobs run in the order in which they came.
final class ConnectionThread: Sendable {
    typealias Completion = @Sendable (Result<PostgresResult, PostgresError>) -> Void
    /// Channel and payload.
    typealias NotificationHandler = @Sendable (String, String) -> Void

    struct Job: Sendable {
        enum Work: Sendable {
            case statement(PostgresStatement, [PostgresValue])
            case script(String)
        }
        let work: Work
        let completion: Completion
    }

    private struct Mailbox {
        var jobs: [Job] = []
        /// Jobs before this index are done.
        var head = 0
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

        mutating func next() -> Job? {
            guard head < jobs.count else { return nil }
            let job = jobs[head]
            head += 1
            if head == jobs.count {
                jobs.removeAll(keepingCapacity: head <= 256)
                head = 0
            } else if head >= 256, head * 2 >= jobs.count {
                jobs.removeFirst(head)
                head = 0
            }
            return job
        }
    }

    /// Jobs waiting at most; more are refused.
    static let jobsMax = 20_000
    /// What a statement under way gets when the connection is closed.
    private static let closeGrace: Duration = .seconds(2)

    /// Jobs waiting or under way.
    let load = Atomic<Int>(0)
    private let configuration: PostgresConfiguration
    private let wake: WakeUp
    private let mailbox = Mutex(Mailbox())

    private init(_ configuration: PostgresConfiguration, _ wake: WakeUp) {
        self.configuration = configuration
        self.wake = wake
    }

    /// Starts the thread, which connects first.
    static func start(_ configuration: PostgresConfiguration) async throws(PostgresError) -> ConnectionThread {
        guard let wake = WakeUp() else {
            throw PostgresError(.connection, "No file descriptor is left for a connection to \(configuration).")
        }
        let thread = ConnectionThread(configuration, wake)
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

    /// Puts a job into the queue; one that can't be taken is completed with its error here.
    func enqueue(_ work: Job.Work, _ completion: @escaping Completion) {
        let refusal = mailbox.withLock { mailbox -> PostgresError? in
            if let end = mailbox.end { return end }
            if mailbox.closeDeadline != nil { return Self.closedError }
            guard mailbox.jobs.count - mailbox.head < Self.jobsMax else {
                return PostgresError(.overloaded, "\(Self.jobsMax) statements wait for \(configuration) already.")
            }
            mailbox.jobs.append(Job(work: work, completion: completion))
            load.add(1, ordering: .relaxed)
            if mailbox.isAsleep {
                mailbox.isAsleep = false
                wake.signal()
            }
            return nil
        }
        if let refusal { completion(.failure(refusal)) }
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
        let session = try Session.connect(configuration, wake: wake) { self.mailbox.withLock { $0.closeDeadline } }
        connected(nil)
        return loop(session)
    }

    private func loop(_ session: Session) -> Ending {
        while true {
            runTasks()
            let (job, isClosing) = mailbox.withLock { mailbox -> (Job?, Bool) in
                if mailbox.closeDeadline != nil { return (nil, true) }
                let job = mailbox.next()
                mailbox.isAsleep = job == nil && mailbox.tasks.isEmpty
                return (job, false)
            }
            if isClosing { return Ending(reason: Self.closedError) }
            guard let job else {
                guard mailbox.withLock({ $0.tasks.isEmpty }) else { continue }
                if let reason = sleep(session) { return Ending(reason: reason) }
                continue
            }
            let outcome = perform(job.work, session)
            load.subtract(1, ordering: .relaxed)
            if case .failure(let error) = outcome, Self.ends(error, session) {
                return Ending(reason: error, job: job)
            }
            // Completions first: what rang during a statement may be in its answer, and is looked for after it.
            job.completion(outcome)
            takeNotifications(session)
        }
    }

    private func perform(_ work: Job.Work, _ session: Session) -> Result<PostgresResult, PostgresError> {
        do throws(PostgresError) {
            switch work {
            case .statement(let statement, let values): return .success(try session.execute(statement, values))
            case .script(let sql): return .success(try session.run(sql))
            }
        } catch {
            return .failure(error)
        }
    }

    /// Whether the connection is of no more use after `error`.
    private static func ends(_ error: PostgresError, _ session: Session) -> Bool {
        session.isBroken || [.connection, .timeout, .protocolViolation, .closed].contains(error.code)
    }

    /// Until a job comes or the socket has something to say, which for a dead connection is its end.
    private func sleep(_ session: Session) -> PostgresError? {
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
    private func takeNotifications(_ session: Session) {
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
                mailbox.jobs = []
                mailbox.head = 0
                mailbox.endHandlers = []
                mailbox.notificationHandler = nil
            }
            return (Array(mailbox.jobs[mailbox.head...]), mailbox.endHandlers, mailbox.tasks)
        }
        for task in tasks { globalConcurrentExecutor.enqueue(task) }
        ending.job?.completion(.failure(ending.reason))
        for job in jobs { job.completion(.failure(ending.reason)) }
        for handler in handlers { handler(ending.reason) }
    }
}

// MARK: Tasks

/// Runs pieces of Swift tasks between statements, so that a task which mostly waits for this connection's answers gets them
/// without a change of threads. What it runs must not block.
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
