import Synchronization

/// What has to be ended at the end of a scenario, also of one that fails.
final class Teardown: Sendable {
    private let steps = Mutex<[@Sendable () async -> Void]>([])

    /// Runs `body`, then everything it added, the latest first.
    static func run<R>(_ body: (Teardown) async throws -> R) async throws -> R {
        let teardown = Teardown()
        do {
            let result = try await body(teardown)
            await teardown.end()
            return result
        } catch {
            await teardown.end()
            throw error
        }
    }

    /// To be run at the end.
    func add(_ step: @escaping @Sendable () async -> Void) { steps.withLock { $0.append(step) } }

    private func end() async {
        let steps = steps.withLock { steps in
            defer { steps = [] }
            return steps
        }
        for step in steps.reversed() { await step() }
    }
}
