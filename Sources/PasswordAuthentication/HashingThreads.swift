import DequeModule
import Dispatch
import Foundation
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// Threads that hash passwords, and nothing else: what takes a quarter of a second of a core must not run where a
/// process's tasks do, nor before its event loops.
///
/// Addresses have their turns one after the other, so that one that guesses keeps nobody else waiting; of an address
/// the newest comes first, as whoever has waited long gives up next.
final class HashingThreads: Sendable {
    /// What is to be computed, and who is told.
    private struct Work {
        let number: Int
        let body: @Sendable () -> Bool
        let done: @Sendable (Bool) -> Void
    }

    private struct State {
        var waiting: [String: [Work]] = [:]
        var turns: Deque<String> = []
        var count = 0
        var lastNumber = 0
        var isStopped = false
    }

    /// Of the scheduler's 40: with less than a tenth of the weight of the event loops' threads.
    private static let niceness: Int32 = 10

    private let state = Mutex(State())
    private let isThere = DispatchSemaphore(value: 0)
    private let threads: Int
    private let waitingMax: Int
    private let waitingPerAddressMax: Int

    /// - Parameters:
    ///   - waitingMax: work that may wait; of one address only `waitingPerAddressMax`.
    init(threads: Int, waitingMax: Int, waitingPerAddressMax: Int) {
        self.threads = threads
        self.waitingMax = waitingMax
        self.waitingPerAddressMax = waitingPerAddressMax
        let isThere = isThere
        for _ in 0..<threads {
            Thread.detachNewThread { [weak self] in
                #if canImport(Glibc)
                    // On Linux 0 is the calling thread (setpriority(2)).
                    setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, Self.niceness)
                #endif
                while true {
                    isThere.wait()
                    guard let self else { return }
                    // There is none where it was cancelled.
                    if let work = self.next() { work.done(work.body()) }
                }
            }
        }
    }

    deinit { for _ in 0..<threads { isThere.signal() } }

    /// Whether one more of an address may wait.
    func hasRoom(for address: String) -> Bool {
        state.withLock { state in
            state.count < waitingMax && state.waiting[address, default: []].count < waitingPerAddressMax
        }
    }

    var waitingCount: Int { state.withLock { $0.count } }

    /// Runs `body` on one of the threads. Returns `false` at once when its task is cancelled before its turn.
    func run(for address: String, _ body: @escaping @Sendable () -> Bool) async -> Bool {
        let number = state.withLock { state in
            state.lastNumber += 1
            return state.lastNumber
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                add(Work(number: number, body: body) { continuation.resume(returning: $0) }, address)
                if Task.isCancelled { cancel(number, address) }
            }
        } onCancel: {
            cancel(number, address)
        }
    }

    private func add(_ work: Work, _ address: String) {
        state.withLock { state in
            state.count += 1
            if state.waiting[address] == nil { state.turns.append(address) }
            state.waiting[address, default: []].append(work)
        }
        isThere.signal()
    }

    private func cancel(_ number: Int, _ address: String) {
        let cancelled = state.withLock { state -> Work? in
            guard let index = state.waiting[address]?.firstIndex(where: { $0.number == number }) else { return nil }
            state.count -= 1
            return state.waiting[address]?.remove(at: index)
        }
        cancelled?.done(false)
    }

    /// The next piece of work; `nil` when there is none.
    private func next() -> Work? {
        state.withLock { state in
            while let address = state.turns.popFirst() {
                guard let work = state.waiting[address]?.popLast() else {
                    state.waiting[address] = nil
                    continue
                }
                state.count -= 1
                if state.waiting[address]?.isEmpty == true {
                    state.waiting[address] = nil
                } else {
                    state.turns.append(address)
                }
                return work
            }
            return nil
        }
    }
}
