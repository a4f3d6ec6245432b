import BelfryModel
import Postgres

/// How a relay becomes the leader: by the cursor's row, which only Belfry's own processes may write.
///
/// A leader on a direct connection says there which backend is its own. A standby looks whether that backend is still
/// there, and takes the row over when it has ended, or when its process gives no sign of life while the backend does
/// nothing. Behind a pooler in transaction mode no backend is anybody's own, and the leader's last sign of life
/// decides. Either way the term in the row keeps a leader that was superseded without knowing it from moving the
/// cursor, and nodes from taking what it publishes late.
public struct LeaderElection: Sendable {
    /// Whether the connection is a session of PostgreSQL's own.
    public enum Mode: Hashable, Sendable {
        /// A direct connection: others see when it has ended.
        case direct
        /// A pooler may be in between: others wait until the leader was silent for two seconds.
        case lease
    }

    /// A won election. Closing the connection gives it up.
    public struct Leadership: Sendable {
        public let connection: PostgresConnection
        /// The statements of the loop, on that connection.
        public let store: RelayStore
        public let term: RelayTerm
        public let mode: Mode

        /// Makes a term fast that was won by lease, once the connection is known to be direct. Returns false when
        /// another relay leads.
        public func becomeDirect() async throws(PostgresError) -> Bool {
            try await connection.run(LeaderElection.sessionSettings)
            guard try await store.recordBackend(term: term.number) else { return false }
            store.prepareFromNowOn()
            return true
        }
    }

    /// The pause between two tries; with it a standby takes over well within two seconds of a leader's death.
    public static let pause: Duration = .milliseconds(250)

    /// Silence after which a leader whose backend lives but does nothing counts as hung: it gives a sign of life each
    /// second.
    public static let silenceMax: Duration = .seconds(5)

    /// A leader's machine that vanished is noticed after five seconds and not after PostgreSQL's two hours. Planning
    /// the relay's read takes longer than an empty read, and its plan is the same for all positions. Nothing that the
    /// leader writes need outlive a crash of PostgreSQL, which ends its session: where cursors were lost, what was
    /// published since comes again, and nodes drop what they know of it.
    private static let sessionSettings = """
        set tcp_keepalives_idle = 2; set tcp_keepalives_interval = 1; set tcp_keepalives_count = 3;
        set idle_session_timeout = 0; set plan_cache_mode = force_generic_plan; set synchronous_commit = off
        """

    private let configuration: PostgresConfiguration
    private let beats: any RelayStoreExecutor
    private let relay: String
    private let pageRows: Int

    /// - Parameters:
    ///   - configuration: a direct connection where one can be had.
    ///   - beats: another connection, on which the leader gives signs of life.
    ///   - relay: this process: its host, process id and something of its own.
    ///   - pageRows: rows of a page of the term's store.
    public init(
        configuration: PostgresConfiguration, beats: any RelayStoreExecutor, relay: String,
        pageRows: Int = Limits().claimRowsMax
    ) {
        self.configuration = configuration
        self.beats = beats
        self.relay = relay
        self.pageRows = pageRows
    }

    /// Waits until this relay is the leader.
    ///
    /// - Parameters:
    ///   - mode: asked before each try.
    ///   - onStandby: called once when another relay leads.
    ///   - onHung: called when the leader hangs (a stopped process, a machine that is stuck) and its session was ended,
    ///     or could not be because it belongs to another role; it is superseded either way.
    /// - Throws: `PostgresError` when the connection is lost; `CancellationError`.
    public func win(
        mode: @Sendable () -> Mode, onStandby: @Sendable () -> Void, onHung: @Sendable () -> Void = {}
    ) async throws -> Leadership {
        let connection = try await PostgresConnection.connect(configuration)
        do {
            var isFirstTry = true
            var hasSettings = false
            var watch = SilenceWatch()
            var hungTerm: Int64?
            while true {
                try Task.checkCancellation()
                let mode = mode()
                if mode == .direct, !hasSettings {
                    try await connection.run(Self.sessionSettings)
                    hasSettings = true
                }
                let store = RelayStore(
                    executor: connection, beats: beats, isPrepared: mode == .direct, pageRows: pageRows)
                if let term = try await store.takeOver(relay: relay, isDirect: mode == .direct, hungTerm: hungTerm) {
                    return Leadership(connection: connection, store: store, term: term, mode: mode)
                }
                if isFirstTry { onStandby() }
                isFirstTry = false
                hungTerm = nil
                if let term = try await watch.look(store) {
                    onHung()
                    // The backend of another role's relay can't be ended; the term fences it.
                    _ = try? await connection.execute(RelayStatements.endBackend, [.int64(term)])
                    hungTerm = term
                    continue
                }
                try await Task.sleep(for: Self.pause)
            }
        } catch {
            await connection.close()
            throw error
        }
    }

    /// Which term has been silent since when. A leader that has just taken over first finds the last one's sign of life
    /// there: it has to stay silent while it is watched, too.
    private struct SilenceWatch {
        private var term: Int64?
        private var since = ContinuousClock.now

        /// The term of a leader that hangs, once that is certain.
        mutating func look(_ store: RelayStore) async throws(PostgresError) -> Int64? {
            let silent = try await store.silentLeader(for: LeaderElection.silenceMax)?.term
            guard silent == term, let silent else {
                term = silent
                since = .now
                return nil
            }
            guard since.duration(to: .now) > .seconds(1) else { return nil }
            term = nil
            return silent
        }
    }
}
