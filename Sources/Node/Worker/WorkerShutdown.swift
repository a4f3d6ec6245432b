import NIOCore

/// How far a worker has come with stopping.
struct WorkerShutdown {
    private(set) var isStopping = false
    /// Its sessions are being ended, each at its moment; what they send still counts.
    var isDraining = false
    /// The worker's clock.
    private var ticker: RepeatedTask?
    private var waiting: [EventLoopPromise<Void>] = []

    mutating func started(_ ticker: RepeatedTask) { self.ticker = ticker }

    /// - Returns: fulfilled at the end.
    mutating func begin(on eventLoop: any EventLoop) -> EventLoopFuture<Void> {
        isStopping = true
        let promise = eventLoop.makePromise(of: Void.self)
        waiting.append(promise)
        return promise.futureResult
    }

    /// Stops the clock. Returns the promises that are to be fulfilled now.
    mutating func end() -> [EventLoopPromise<Void>] {
        ticker?.cancel()
        return exchange(&waiting, with: [])
    }
}
