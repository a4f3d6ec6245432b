/// The present state, and whoever watches it.
struct StateBoard {
    /// States that wait for a watcher that is slow; older ones are dropped.
    private static let waitingMax = 16

    private(set) var state = BelfryClient.State.idle
    private var watchers: [Int: AsyncStream<BelfryClient.State>.Continuation] = [:]
    private var watchersMade = 0

    /// - Returns: a new stream of states.
    static func makeStream() -> (
        AsyncStream<BelfryClient.State>, AsyncStream<BelfryClient.State>.Continuation
    ) {
        AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(waitingMax))
    }

    /// - Returns: by which to remove it; `nil` when there is nothing more to watch.
    mutating func add(_ watcher: AsyncStream<BelfryClient.State>.Continuation) -> Int? {
        watcher.yield(state)
        if case .closed = state {
            watcher.finish()
            return nil
        }
        watchersMade += 1
        watchers[watchersMade] = watcher
        return watchersMade
    }

    mutating func remove(_ watcher: Int) {
        watchers[watcher] = nil
    }

    mutating func set(_ state: BelfryClient.State) {
        self.state = state
        for watcher in watchers.values { watcher.yield(state) }
        guard case .closed = state else { return }
        for watcher in watchers.values { watcher.finish() }
        watchers = [:]
    }
}
