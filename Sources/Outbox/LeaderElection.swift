import BelfryModel
import Postgres

/// How a relay becomes the leader: by a session lock of PostgreSQL on a connection of its own, or by a lease.
///
/// A session lock falls when its holder's connection does, so a standby takes over as soon as PostgreSQL notices. Behind
/// a pooler in transaction mode sessions are shared, and the lock may be held by nobody's session, or be had twice. There
/// the leader's last sign of life decides. Either way the term in the cursor's row keeps a leader that was superseded
/// without knowing it from moving the cursor.
public struct LeaderElection: Sendable {
    /// Whether the connection is a session of PostgreSQL's own.
    public enum Mode: Hashable, Sendable {
        /// A direct connection: the lock alone decides.
        case sessionLock
        /// A pooler may be in between: wait until the leader was silent for two seconds.
        case lease
    }

    /// A won election. Closing the connection gives it up.
    public struct Leadership: Sendable {
        public let connection: PostgresConnection
        /// The statements of the loop, on that connection.
        public let store: RelayStore
        public let term: RelayTerm
        public let mode: Mode

        /// Takes the lock for a term that was won by lease, once the connection is known to be direct, so that relays
        /// that go by the lock stand by. Returns false when another relay holds it.
        public func takeLock() async throws(PostgresError) -> Bool {
            try await connection.run(LeaderElection.sessionSettings)
            guard try await connection.execute(LeaderElection.tryLock, []).bool(0, 0) else { return false }
            store.prepareFromNowOn()
            return true
        }
    }

    /// The pause between two tries; with it a standby takes over well within two seconds of a leader's death.
    public static let pause: Duration = .milliseconds(250)

    /// "belfry" and the shard.
    private static let tryLock = PostgresStatement("", "select pg_try_advisory_lock(x'62656c6672790000'::bigint)")

    /// A leader's machine that vanished is noticed after five seconds and not after PostgreSQL's two hours. Planning the
    /// relay's read takes longer than an empty read, and its plan is the same for all positions.
    private static let sessionSettings = """
        set tcp_keepalives_idle = 2; set tcp_keepalives_interval = 1; set tcp_keepalives_count = 3;
        set idle_session_timeout = 0; set plan_cache_mode = force_generic_plan
        """

    private let configuration: PostgresConfiguration
    private let relay: String
    private let pageRows: Int

    /// - Parameters:
    ///   - configuration: a direct connection where one can be had.
    ///   - relay: this process: its host, process id and something of its own.
    ///   - pageRows: rows of a page of the term's store.
    public init(configuration: PostgresConfiguration, relay: String, pageRows: Int = Limits().claimRowsMax) {
        self.configuration = configuration
        self.relay = relay
        self.pageRows = pageRows
    }

    /// Waits until this relay is the leader.
    ///
    /// - Parameters:
    ///   - mode: asked before each try.
    ///   - onStandby: called once when another relay leads.
    /// - Throws: `PostgresError` when the connection is lost; `CancellationError`.
    public func win(
        mode: @Sendable () -> Mode, onStandby: @Sendable () -> Void
    ) async throws -> Leadership {
        let connection = try await PostgresConnection.connect(configuration)
        do {
            var hasLock = false
            var isFirstTry = true
            while true {
                try Task.checkCancellation()
                let mode = mode()
                if mode == .sessionLock, !hasLock {
                    try await connection.run(Self.sessionSettings)
                    hasLock = try await connection.execute(Self.tryLock, []).bool(0, 0)
                }
                if hasLock || mode == .lease {
                    let store = RelayStore(
                        executor: connection, isPrepared: mode == .sessionLock, pageRows: pageRows)
                    if let term = try await store.takeOver(relay: relay, byLease: mode == .lease) {
                        return Leadership(connection: connection, store: store, term: term, mode: mode)
                    }
                }
                if isFirstTry { onStandby() }
                isFirstTry = false
                try await Task.sleep(for: Self.pause)
            }
        } catch {
            await connection.close()
            throw error
        }
    }
}
