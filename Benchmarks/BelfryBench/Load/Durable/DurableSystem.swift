import Foundation

/// One of the two systems of `durable`, under load: its sessions are connected and acknowledge what they get.
struct DurableSystem: Sendable {
    /// Users, each with one session.
    static let users = 2_000
    /// Messages on their way at most: the rate is one that the receivers keep up with.
    static let undeliveredMax = 20_000

    /// The contender's name.
    let name: String
    let flow: MessageFlow
    let swarm: Swarm
    /// Makes a writer.
    let open: @Sendable () throws -> DurableWriters.Writer
    /// Makes a way to count what is not yet committed as delivered; nil where nothing can tell while it runs.
    let countUncommitted: (@Sendable () throws -> () throws -> Int)?
    /// Waits until what was delivered is durably so, and throws when it isn't.
    let waitUntilDurable: @Sendable () async throws -> Void
    /// What the system's processes and this one have used.
    let usage: @Sendable () -> CPUTimes

    /// The users' ids.
    static let names = (0..<users).map { "user-\($0)" }

    /// Connects the sessions; what each receives is checked and counted in `flow`.
    ///
    /// - Parameter greeting: how a session of this system begins.
    static func connect(port: Int, greeting: SwarmGreeting, flow: MessageFlow) async throws -> Swarm {
        let marks = names.map { Array("\"receiver\":\"\($0)\"".utf8) }
        var configuration = SwarmConfiguration(port: port, count: users, greeting: greeting) { user, body, _ in
            guard let number = MessageBatch.number(in: body), MessageBatch.contains(marks[user], in: body) else {
                return flow.fail("Session \(user) got: \(String(decoding: body.prefix(400), as: UTF8.self))")
            }
            flow.arrived(1, sum: number)
        }
        configuration.acknowledges = true
        return try await Swarm.start(configuration)
    }

    // MARK: Measuring

    /// How the load is written.
    struct Load: Sendable {
        /// Threads, each with a connection.
        var writers: Int
        /// Messages in a transaction.
        var batchRows: Int
    }

    /// What a window found.
    struct Window: Sendable {
        let rate: Double
        let shares: String
    }

    /// Writes for `seconds`, and ends when all of it has been delivered and committed: the time until then counts.
    func window(_ load: Load, seconds: Double) async throws -> Window {
        let (before, usageBefore, began) = (flow.deliveredCount, usage(), ContinuousClock.now)
        let writers = start(load)
        try? await Task.sleep(for: .seconds(seconds))
        try await end(writers)
        let elapsed = (ContinuousClock.now - began) / .seconds(1)
        return Window(
            rate: Double(flow.deliveredCount - before) / elapsed, shares: usage().shares(since: usageBefore))
    }

    /// Starts the writers.
    func start(_ load: Load) -> DurableWriters {
        let names = Self.names.map { Array($0.utf8) }
        return DurableWriters(
            flow, count: load.writers, batchRows: load.batchRows, names: names, open: open,
            countUncommitted: countUncommitted)
    }

    /// Ends the writers, and waits until all they wrote has been delivered and committed.
    func end(_ writers: DurableWriters) async throws {
        try await writers.stop()
        try swarm.check()
        try await flow.waitUntilDelivered(seconds: 20)
        try await waitUntilDurable()
    }
}
