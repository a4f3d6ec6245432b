/// What one part of the process says of itself.
public enum HealthState: Hashable, Sendable {
    case up
    /// Works, with less than it should have: the node stays ready. The text says what is missing.
    case degraded(String)
    /// Does not work: the node is not ready. The text says why, without secrets.
    case down(String)
}

/// The checks behind `/health/ready`, each with the name it is reported under.
public struct HealthChecks: Sendable {
    public var checks: [(name: String, check: @Sendable () async -> HealthState)]
    /// Time one check may take; over it the check counts as down, so that a stuck one can't hold the answer.
    public var timeout: Duration = .seconds(2)
    /// Whether the process is about to end: then it is not ready, whatever else is up.
    public var isStopping: @Sendable () -> Bool = { false }

    public init(checks: [(name: String, check: @Sendable () async -> HealthState)] = []) {
        self.checks = checks
    }

    /// Runs every check at the same time and returns their states in the order of `checks`.
    public func report() async -> HealthReport {
        let timeout = timeout
        let states = await withTaskGroup(of: (Int, HealthState).self) { group in
            for (index, entry) in checks.enumerated() {
                group.addTask { (index, await Self.run(entry.check, timeout: timeout)) }
            }
            return await group.reduce(into: [Int: HealthState]()) { $0[$1.0] = $1.1 }
        }
        let stopping: [(name: String, state: HealthState)] =
            isStopping() ? [("shutdown", .down("This process is stopping."))] : []
        return HealthReport(
            entries: stopping
                + checks.enumerated().map { index, entry in
                    (entry.name, states[index] ?? .down("The check gave no answer."))
                })
    }

    /// A check that ignores cancellation is left to end by itself: its answer no longer counts.
    private static func run(
        _ check: @escaping @Sendable () async -> HealthState, timeout: Duration
    ) async -> HealthState {
        let (answers, continuation) = AsyncStream<HealthState>.makeStream(bufferingPolicy: .bufferingOldest(1))
        let checking = Task { continuation.yield(await check()) }
        let waiting = Task {
            try await Task.sleep(for: timeout)
            continuation.yield(.down("The check took longer than \(timeout)."))
        }
        defer {
            checking.cancel()
            waiting.cancel()
        }
        return await answers.first { _ in true } ?? .down("The check was cancelled.")
    }
}
