import NIOCore

/// The workers of a node: one an event loop.
public struct Workers: Sendable {
    private let all: [Worker]
    private let byLoop: [ObjectIdentifier: Worker]

    /// - Parameter eventLoops: 65,536 at most.
    public init(_ eventLoops: EventLoopIterator, context: NodeContext) {
        let workers = eventLoops.enumerated().map { Worker(number: $0, eventLoop: $1, context: context) }
        all = workers
        byLoop = Dictionary(uniqueKeysWithValues: workers.map { (ObjectIdentifier($0.eventLoop), $0) })
        // Let go when a worker has stopped.
        let everybody = self
        for worker in workers {
            worker.presence.onTooMany = { id in everybody.withSession(id) { $0?.fail(.tooManySessions) } }
        }
    }

    /// Connects all to the bus and starts their clocks.
    public func start() async throws {
        for worker in all { try await worker.eventLoop.submit { worker.start() }.get() }
    }

    /// The worker of a channel's event loop.
    ///
    /// - Throws: `ChannelError` when the loop is none of this node's.
    public func worker(of channel: any Channel) throws -> Worker { try worker(on: channel.eventLoop) }

    /// The same of an event loop.
    public func worker(on eventLoop: any EventLoop) throws -> Worker {
        guard let worker = byLoop[ObjectIdentifier(eventLoop)] else {
            throw ChannelError.inappropriateOperationForState
        }
        return worker
    }

    /// Runs `body` with the session of that id on its own event loop, from whichever thread it is asked: with `nil`
    /// when there is none (any more).
    public func withSession(_ id: SessionID, _ body: @escaping @Sendable (Session?) -> Void) {
        guard all.indices.contains(id.worker) else { return body(nil) }
        let worker = all[id.worker]
        worker.eventLoop.execute { body(worker.sessions.session(id)) }
    }

    /// Runs `body` with each worker on its event loop, and returns when all have.
    func each(_ body: @escaping @Sendable (Worker) -> Void) async {
        let futures = all.map { worker in worker.eventLoop.submit { body(worker) } }
        for future in futures { try? await future.get() }
    }

    /// Ends the sessions, each at its moment, and returns when they have gone or the time for it is over. Meanwhile
    /// connections are to be accepted: clients of SockJS send, and ask for their session's end, by requests of their
    /// own.
    ///
    /// - Parameter limit: of time.
    public func drain(within limit: Duration) async {
        await each { $0.drain() }
        let deadline = ContinuousClock.now + limit
        while ContinuousClock.now < deadline, !Task.isCancelled {
            let hasClients = all.map { worker in worker.eventLoop.submit { worker.hasClients } }
            var isDone = true
            for future in hasClients where (try? await future.get()) == true { isDone = false }
            if isDone { return }
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    /// Ends what is left, all at once: each has its own limit of time.
    public func stop() async {
        let stopped = all.map { worker in worker.eventLoop.flatSubmit { worker.stop() } }
        for future in stopped { try? await future.get() }
    }
}
