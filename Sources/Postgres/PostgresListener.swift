import Glibc
import Synchronization

/// LISTENs on channels with a connection and a thread of its own, and reconnects by itself. Only a hint: what is
/// notified while it is not listening is not told later, so whoever listens must look for himself after each
/// `.listening`.
public final class PostgresListener: Sendable {
    public enum Event: Sendable {
        /// Listening on every channel, for the first time or again.
        case listening
        case notification(channel: String, payload: String)
        /// Not listening any more, or not yet; it is being tried again.
        case lost(PostgresError)
    }

    private let thread: ListenerThread?
    private let onEvent: @Sendable (Event) -> Void

    /// - Parameters:
    ///   - configuration: of a direct connection: a pooler in transaction mode loses notifications.
    ///   - channels: the names as they are, case and all; 63 bytes at most each.
    ///   - onEvent: called on the listener's thread; it must not block.
    public init(
        configuration: PostgresConfiguration, channels: [String], onEvent: @escaping @Sendable (Event) -> Void
    ) {
        self.onEvent = onEvent
        thread = WakeUp().map { ListenerThread(configuration, channels, wake: $0, onEvent) }
    }

    deinit { thread?.askToStop() }

    /// Starts the thread; a second call does nothing.
    public func start() {
        guard let thread, thread.start() else {
            return onEvent(.lost(PostgresError(.connection, "No thread or file descriptor is left to listen with.")))
        }
    }

    /// Stops listening, keeping the connection, while somebody else hears; or listens again, with another `.listening`.
    /// Each connection that listens is woken by each notification. Takes effect soon, at the latest with the next
    /// connection.
    public func setPaused(_ isPaused: Bool) { thread?.setPaused(isPaused) }

    /// Ends the connection. No event comes after it has returned.
    public func stop() async { await thread?.stop() }
}

/// The loop of a listener's thread.
final class ListenerThread: Sendable {
    private struct State {
        enum Phase { case new, running, ended }
        var phase = Phase.new
        var isStopping = false
        var isPaused = false
        var stopHandlers: [@Sendable () -> Void] = []
    }

    /// Without a word from the server for so long, it is asked for one.
    private static let probeInterval: Duration = .seconds(10)
    /// What the answer to LISTEN or a probe may take.
    private static let answerTimeout: Duration = .seconds(10)

    private let configuration: PostgresConfiguration
    private let channels: [String]
    private let wake: WakeUp
    private let onEvent: @Sendable (PostgresListener.Event) -> Void
    private let state = Mutex(State())

    init(
        _ configuration: PostgresConfiguration, _ channels: [String], wake: WakeUp,
        _ onEvent: @escaping @Sendable (PostgresListener.Event) -> Void
    ) {
        self.configuration = configuration
        self.channels = channels
        self.wake = wake
        self.onEvent = onEvent
    }

    /// - Returns: false when there is no thread to be had.
    func start() -> Bool {
        state.withLock { state in
            guard state.phase == .new, !state.isStopping else { return true }
            guard OwnedThread.start({ self.loop() }) else { return false }
            state.phase = .running
            return true
        }
    }

    func askToStop() {
        state.withLock { $0.isStopping = true }
        wake.signal()
    }

    func setPaused(_ isPaused: Bool) {
        state.withLock { $0.isPaused = isPaused }
        wake.signal()
    }

    func stop() async {
        askToStop()
        await withCheckedContinuation { continuation in
            let isEnded = state.withLock { state in
                if state.phase == .running { state.stopHandlers.append { continuation.resume() } }
                return state.phase != .running
            }
            if isEnded { continuation.resume() }
        }
    }

    private var isStopping: Bool { state.withLock { $0.isStopping } }
    private var isPaused: Bool { state.withLock { $0.isPaused } }

    private func loop() {
        var pause = RetryPause()
        while !isStopping {
            var start: ContinuousClock.Instant?
            do throws(PostgresError) {
                try listen { start = .now }
            } catch {
                if isStopping { break }
                onEvent(.lost(error))
                wake.wait(pause.next(after: start.map { ContinuousClock.now - $0 } ?? .zero))
            }
        }
        let handlers = state.withLock { state in
            state.phase = .ended
            return state.stopHandlers
        }
        for handler in handlers { handler() }
    }

    /// Connects, listens, and tells of notifications until the connection is lost or the end is asked for.
    private func listen(_ listening: () -> Void) throws(PostgresError) {
        let session = try ServerSession.connect(configuration, wake: wake) { self.isStopping ? .now : nil }
        var isListening = false
        listening()
        var lastWord = ContinuousClock.now
        while true {
            if isListening == isPaused {
                isListening.toggle()
                try setListening(isListening, session)
                if isListening { onEvent(.listening) }
            }
            while !isStopping, let (channel, payload) = session.nextNotification() {
                onEvent(.notification(channel: channel, payload: payload))
            }
            if isStopping { return }
            let quiet = ContinuousClock.now - lastWord
            if quiet >= Self.probeInterval {
                _ = try session.run("", within: Self.answerTimeout)
                lastWord = .now
            } else if wait(session.socket, Self.probeInterval - quiet) {
                try session.consume()
                lastWord = .now
            }
        }
    }

    private func setListening(_ isListening: Bool, _ session: ServerSession) throws(PostgresError) {
        for channel in channels {
            _ = try session.run(
                "\(isListening ? "listen" : "unlisten") \(channel.quotedAsSQLIdentifier)", within: Self.answerTimeout)
        }
    }

    /// - Returns: whether the socket has something to say.
    private func wait(_ socket: Int32, _ limit: Duration) -> Bool {
        var entries = [
            pollfd(fd: wake.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: socket, events: Int16(POLLIN), revents: 0),
        ]
        guard poll(&entries, 2, limit.pollMilliseconds) > 0 else { return false }
        if entries[0].revents != 0 { wake.clear() }
        return entries[1].revents != 0
    }
}

extension String {
    /// In double quotes, its own ones doubled (PostgreSQL docs, "Identifiers and Key Words").
    var quotedAsSQLIdentifier: String {
        "\"" + split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}
