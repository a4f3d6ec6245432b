import Foundation

/// Blocking work on a thread of its own.
enum DatabaseThread {
    /// Runs `body` on a new thread and returns its result; the caller's thread is free meanwhile.
    static func run<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result(catching: body)) }
        }
    }
}
