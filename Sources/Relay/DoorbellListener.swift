import Logging
import Outbox
import Postgres
import Synchronization

/// LISTEN on a connection of its own, tested from time to time by a notification that takes the way that a writer's
/// takes. Behind a pooler LISTEN is taken and nothing ever comes; only a test tells.
///
/// A leader whose connection is direct listens on that, where a ring is followed by the read that it asks for, and
/// passes on what it hears. This connection does not listen meanwhile: a ring need not wake two connections, and a
/// thread, on its way.
final class DoorbellListener: Sendable {
    /// In this time a test must be heard.
    static let probeTimeout: Duration = .seconds(2)
    /// The pause between two tests, whatever the last one said.
    static let probeInterval: Duration = .seconds(30)
    /// The pause before the next test when the last one could not be sent.
    static let unsentPause: Duration = .seconds(1)

    private enum Finding { case heard, unheard, unsent }

    private struct State {
        var isConnected = false
        /// While it runs; told under the lock who is to hear.
        var listener: PostgresListener?
        /// The leader's connection hears, and tells `heard`.
        var isLeaderListening = false
        var isListening: Bool?
        var hasWarned = false
        /// The test under way.
        var probe: String?
        var isHeard = false

        var canHear: Bool { isConnected || isLeaderListening }
    }

    private let configuration: PostgresConfiguration
    private let store: RelayStore
    private let name: String
    private let logger: Logger
    private let onRing: @Sendable () -> Void
    private let onChange: @Sendable (Bool) -> Void
    private let state = Mutex(State())
    private let connectionChanged = WakeSignal()
    private let probeHeard = WakeSignal()

    /// - Parameters:
    ///   - configuration: a direct connection where one can be had.
    ///   - store: sends the tests, over other connections.
    ///   - onRing: a writer rang. Called on the listener's thread.
    ///   - onChange: rings can be heard, or cannot any more. Called on any thread.
    init(
        configuration: PostgresConfiguration, store: RelayStore, name: String, logger: Logger,
        onRing: @escaping @Sendable () -> Void, onChange: @escaping @Sendable (Bool) -> Void
    ) {
        self.configuration = configuration
        self.store = store
        self.name = name
        self.logger = logger
        self.onRing = onRing
        self.onChange = onChange
    }

    /// Whether rings can be heard; `nil` until the first test has ended.
    var isListening: Bool? { state.withLock { $0.isListening } }

    /// Listens until the task is cancelled.
    func run() async {
        let listener = PostgresListener(configuration: configuration, channels: [Doorbell.channel]) {
            [weak self] event in
            self?.handle(event)
        }
        state.withLock { state in
            state.listener = listener
            listener.setPaused(state.isLeaderListening)
        }
        listener.start()
        var tests = 0
        while !Task.isCancelled {
            if !state.withLock({ $0.canHear }) { _ = await connectionChanged.wait(upTo: Self.probeTimeout) }
            var finding = Finding.unheard
            // What worked gets a second chance, as a server may be slow for a moment.
            for _ in 0..<(isListening == true ? 2 : 1) where finding != .heard && !Task.isCancelled {
                tests += 1
                finding = await probe("\(Doorbell.probePrefix)\(name):\(tests)")
            }
            if Task.isCancelled { break }
            setListening(finding == .heard)
            _ = await connectionChanged.wait(upTo: finding == .unsent ? Self.unsentPause : Self.probeInterval)
        }
        state.withLock { $0.listener = nil }
        await listener.stop()
    }

    /// The leader listens on its own connection from now on, or no longer. In between rings may go unheard: a leader
    /// begins by reading, and so does the next one.
    func setLeaderListening(_ isLeaderListening: Bool) {
        state.withLock { state in
            state.isLeaderListening = isLeaderListening
            state.listener?.setPaused(isLeaderListening)
        }
    }

    /// A notification of the doorbell's channel, from whatever connection: a ring or a test.
    func heard(_ payload: String) {
        guard payload.hasPrefix(Doorbell.probePrefix) else { return onRing() }
        let isMine = state.withLock { state in
            guard state.probe == payload else { return false }
            state.isHeard = true
            return true
        }
        if isMine { probeHeard.signal() }
    }

    private func handle(_ event: PostgresListener.Event) {
        switch event {
        case .listening:
            state.withLock { $0.isConnected = true }
            connectionChanged.signal()
        case .notification(let channel, let payload):
            guard channel == Doorbell.channel else { return }
            heard(payload)
        case .lost(let error):
            let (wasConnected, canHear) = state.withLock { state in
                defer { state.isConnected = false }
                return (state.isConnected, state.isLeaderListening)
            }
            guard !canHear else {
                return logger.debug("The standby connection for notifications was lost: \(error)")
            }
            // Once for each loss, not for each try to come back.
            logger.log(
                level: wasConnected ? .warning : .debug, "No connection listens for notifications: \(error)")
            setListening(false)
            connectionChanged.signal()
        }
    }

    private func probe(_ payload: String) async -> Finding {
        let canHear = state.withLock { state in
            state.probe = payload
            state.isHeard = false
            return state.canHear
        }
        defer { state.withLock { $0.probe = nil } }
        guard canHear else { return .unheard }
        do {
            try await store.notify(channel: Doorbell.channel, payload: payload)
        } catch {
            logger.debug("The test notification could not be sent: \(error)")
            return .unsent
        }
        let deadline = ContinuousClock.now + Self.probeTimeout
        while !Task.isCancelled {
            let (isHeard, canHear) = state.withLock { ($0.isHeard, $0.canHear) }
            // One that was heard over a connection that was lost since says nothing about the next one.
            guard canHear else { return .unheard }
            if isHeard { return .heard }
            let left = ContinuousClock.now.duration(to: deadline)
            if left <= .zero { return .unheard }
            _ = await probeHeard.wait(upTo: left)
        }
        return .unheard
    }

    private func setListening(_ isListening: Bool) {
        let (isChange, isFirstFailure) = state.withLock { state in
            let isChange = state.isListening != isListening
            let isFirstFailure = isChange && !isListening && !state.hasWarned
            state.isListening = isListening
            if isFirstFailure { state.hasWarned = true }
            if isListening { state.hasWarned = false }
            return (isChange, isFirstFailure)
        }
        guard isChange else { return }
        if isFirstFailure {
            logger.warning(
                """
                Notifications from PostgreSQL do not arrive, so the relay polls. If there is a pooler in between, give \
                the relay a direct connection (postgres.listenUrl); it tests again every \
                \(Self.probeInterval.components.seconds) s.
                """)
        }
        if isListening { logger.info("Notifications from PostgreSQL arrive.") }
        onChange(isListening)
    }
}
