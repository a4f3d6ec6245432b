import Glibc
import Synchronization

/// Many WebSocket clients of one server, on a few threads: they connect, introduce themselves, and count what they
/// receive until they are stopped.
final class Swarm: Sendable {
    let configuration: SwarmConfiguration
    /// From the first connect until all were connected, introduced and subscribed.
    let secondsToReady: Double
    private let loops: [SwarmLoop]

    private init(_ configuration: SwarmConfiguration, _ loops: [SwarmLoop], secondsToReady: Double) {
        self.configuration = configuration
        self.loops = loops
        self.secondsToReady = secondsToReady
    }

    /// Returns once every connection is ready.
    ///
    /// - Throws: `LoadError` when one was refused or not all were ready in time; no connection is left then.
    static func start(_ configuration: SwarmConfiguration) async throws -> Swarm {
        DescriptorLimit.raise()
        let began = MonotonicClock.nanoseconds
        let loops = try makeLoops(configuration)
        for loop in loops { loop.start() }
        do {
            try await waitUntilReady(loops, configuration, began)
        } catch {
            await stop(loops)
            throw error
        }
        let end = loops.map { $0.readyAt.load(ordering: .acquiring) }.max() ?? began
        return Swarm(configuration, loops, secondsToReady: Double(max(end, began) - began) / 1e9)
    }

    private static func makeLoops(_ configuration: SwarmConfiguration) throws -> [SwarmLoop] {
        let threads = max(1, configuration.threads)
        return try (0..<threads).map { thread in
            let from = configuration.count * thread / threads
            let to = configuration.count * (thread + 1) / threads
            return try SwarmLoop(configuration, firstNumber: configuration.firstNumber + from, count: to - from)
        }
    }

    private static func waitUntilReady(
        _ loops: [SwarmLoop], _ configuration: SwarmConfiguration, _ began: UInt64
    ) async throws {
        let limit = began + UInt64(configuration.secondsToReady) * 1_000_000_000
        while true {
            for loop in loops { if let failure = loop.failure { throw failure } }
            let ready = loops.reduce(0) { $0 + $1.readyCount.load(ordering: .acquiring) }
            if ready == configuration.count { return }
            guard MonotonicClock.nanoseconds < limit else {
                throw LoadError(
                    "Only \(ready) of \(configuration.count) connections to port \(configuration.port) were ready "
                        + "after \(configuration.secondsToReady) s.")
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }

    // MARK: What has arrived

    /// Messages that all connections have received so far.
    var received: Int { loops.reduce(0) { $0 + $1.received.load(ordering: .acquiring) } }

    /// Heart-beats of the server so far, and pings of WebSocket.
    var heartBeatsReceived: Int { loops.reduce(0) { $0 + $1.heartBeatsReceived.load(ordering: .relaxed) } }

    /// Throws what went wrong first with any connection since the start, if anything did.
    func check() throws {
        for loop in loops { if let failure = loop.failure { throw failure } }
    }

    /// Waits until `count` messages have been received since the start.
    ///
    /// - Throws: `LoadError` when a connection failed, or when it takes over `seconds`.
    func wait(forReceived count: Int, seconds: Double = 30) async throws {
        let limit = MonotonicClock.nanoseconds + UInt64(seconds * 1e9)
        while received < count {
            try check()
            guard MonotonicClock.nanoseconds < limit else {
                throw LoadError("Only \(received) of \(count) messages arrived within \(seconds) s.")
            }
            try await Task.sleep(for: .milliseconds(2))
        }
    }

    // MARK: The end

    /// Closes all connections.
    /// - Returns: the messages that each connection received, by its place.
    @discardableResult
    func stop() async -> [Int] {
        await Self.stop(loops)
        return loops.flatMap { loop in (0..<loop.count).map { loop.connections[$0].received } }
    }

    private static func stop(_ loops: [SwarmLoop]) async {
        for loop in loops { loop.isStopping.store(true, ordering: .relaxed) }
        for loop in loops {
            while !loop.hasEnded.load(ordering: .acquiring) {
                // A cancelled task waits, too: the thread must be gone.
                usleep(1_000)
            }
        }
    }
}
