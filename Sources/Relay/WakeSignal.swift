import Synchronization

/// One task waits, any thread wakes it. A signal that comes while nobody waits is kept for the next wait; many are one.
final class WakeSignal: Sendable {
    private struct State {
        var isSignalled = false
        var waiter: CheckedContinuation<Bool, Never>?
        /// Tells a timer of an earlier wait that it is too late.
        var waits: UInt64 = 0
    }

    private let state = Mutex(State())

    func signal() {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            if state.waiter == nil { state.isSignalled = true }
            return state.waiter
        }
        waiter?.resume(returning: true)
    }

    /// Returns true at a signal, and false when the time is up or the task was cancelled.
    func wait(upTo duration: Duration) async -> Bool {
        let number = state.withLock { state in
            state.waits += 1
            return state.waits
        }
        let timer = Task {
            try? await Task.sleep(for: duration)
            self.giveUp(number)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isSignalled: Bool? = state.withLock { state in
                    if state.isSignalled {
                        state.isSignalled = false
                        return true
                    }
                    // The time was up, or the task cancelled, before it began to wait.
                    if state.waits != number { return false }
                    state.waiter = continuation
                    return nil
                }
                if let isSignalled { continuation.resume(returning: isSignalled) }
            }
        } onCancel: {
            giveUp(number)
        }
    }

    private func giveUp(_ number: UInt64) {
        let waiter = state.withLock { state -> CheckedContinuation<Bool, Never>? in
            guard state.waits == number else { return nil }
            defer { state.waiter = nil }
            state.waits += 1
            return state.waiter
        }
        waiter?.resume(returning: false)
    }
}
