import Logging
import ServiceLifecycle
import UnixSignals

/// A process that is ending was told to end once more: it ends at once.
struct SecondSignal: Error, CustomStringConvertible {
    var description: String { "Ended at once by a second signal; what was not written will be redelivered." }

    /// Runs `body`; a signal that comes while it is shutting down gracefully cancels it.
    ///
    /// - Throws: what `body` throws, or `SecondSignal`.
    static func ends(_ body: @escaping @Sendable () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await body() }
            group.addTask {
                try await gracefulShutdown()
                for await _ in await UnixSignalsSequence(trapping: .sigterm, .sigint) { throw SecondSignal() }
                throw CancellationError()
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }
}
