import Synchronization

/// One task waits, any thread wakes it. A signal that comes while nobody waits is kept for the next wait; many are one.
///
/// A timer outlives the wait that it was set for, and serves the next ones: setting and cancelling one for each message
/// would wake another thread twice, just when the message is to go out.
final class WakeSignal: Sendable {
    private struct Waiter {
        let continuation: CheckedContinuation<Bool, Never>
        let deadline: ContinuousClock.Instant
    }

    private struct State {
        var isSignalled = false
        var waiter: Waiter?
        /// Tells a cancellation of an earlier wait that it is too late.
        var waits: UInt64 = 0
        /// When the earliest timer fires.
        var timer: ContinuousClock.Instant?

        /// Whether a timer is to be set for `deadline`, as none fires early enough.
        mutating func needsTimer(for deadline: ContinuousClock.Instant) -> Bool {
            if let timer, timer <= deadline { return false }
            timer = deadline
            return true
        }
    }

    private let state = Mutex(State())

    func signal() {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            if state.waiter == nil { state.isSignalled = true }
            return state.waiter
        }
        waiter?.continuation.resume(returning: true)
    }

    /// Returns true at a signal, and false when the time is up or the task was cancelled.
    func wait(upTo duration: Duration) async -> Bool {
        let deadline = ContinuousClock.now + duration
        let number = state.withLock { state in
            state.waits += 1
            return state.waits
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                var needsTimer = false
                let answer: Bool? = state.withLock { state in
                    if state.isSignalled {
                        state.isSignalled = false
                        return true
                    }
                    // The task was cancelled before it began to wait.
                    if state.waits != number { return false }
                    state.waiter = Waiter(continuation: continuation, deadline: deadline)
                    needsTimer = state.needsTimer(for: deadline)
                    return nil
                }
                if needsTimer { setTimer(deadline) }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let waiter = state.withLock { state -> Waiter? in
                guard state.waits == number else { return nil }
                defer { state.waiter = nil }
                state.waits += 1
                return state.waiter
            }
            waiter?.continuation.resume(returning: false)
        }
    }

    private func setTimer(_ deadline: ContinuousClock.Instant) {
        Task { [weak self] in
            try? await Task.sleep(until: deadline)
            self?.timerFired(deadline)
        }
    }

    private func timerFired(_ fired: ContinuousClock.Instant) {
        var next: ContinuousClock.Instant?
        let waiter = state.withLock { state -> Waiter? in
            if state.timer == fired { state.timer = nil }
            guard let waiter = state.waiter else { return nil }
            if waiter.deadline <= fired {
                state.waiter = nil
                return waiter
            }
            if state.needsTimer(for: waiter.deadline) { next = waiter.deadline }
            return nil
        }
        if let next { setTimer(next) }
        waiter?.continuation.resume(returning: false)
    }
}
