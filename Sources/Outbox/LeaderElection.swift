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

    /// Silence after which a leader that still holds the lock counts as hung: it gives a sign of life each second.
    public static let silenceMax: Duration = .seconds(5)

    /// Plan: by primary key.
    private static let silentTerm = PostgresStatement(
        "",
        """
        select term from belfry.relay_cursor
        where shard = 0 and leader_seen_at < clock_timestamp() - $1::bigint * interval '1 millisecond'
        """)

    /// Ends the session that holds the lock; a role may end its own sessions (PostgreSQL docs, "Server Signaling
    /// Functions"). Plan: pg_locks is small.
    private static let endHolder = PostgresStatement(
        "",
        """
        select count(pg_terminate_backend(l.pid)) from pg_locks l
        where l.locktype = 'advisory' and l.granted and l.pid <> pg_backend_pid()
            and l.classid::bigint = x'62656c66'::bigint and l.objid::bigint = x'72790000'::bigint
            and l.database = (select oid from pg_database where datname = current_database())
        """)

    /// A leader's machine that vanished is noticed after five seconds and not after PostgreSQL's two hours. Planning the
    /// relay's read takes longer than an empty read, and its plan is the same for all positions. Nothing that the leader
    /// writes need outlive a crash of PostgreSQL, which ends its session: cursors that were lost repeat what nodes know.
    private static let sessionSettings = """
        set tcp_keepalives_idle = 2; set tcp_keepalives_interval = 1; set tcp_keepalives_count = 3;
        set idle_session_timeout = 0; set plan_cache_mode = force_generic_plan; set synchronous_commit = off
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
    ///   - onHung: called when the leader holds the lock in silence (a stopped process, a machine that is stuck) and its
    ///     session was ended, so that the next try can win.
    /// - Throws: `PostgresError` when the connection is lost; `CancellationError`.
    public func win(
        mode: @Sendable () -> Mode, onStandby: @Sendable () -> Void, onHung: @Sendable () -> Void = {}
    ) async throws -> Leadership {
        let connection = try await PostgresConnection.connect(configuration)
        do {
            var hasLock = false
            var isFirstTry = true
            var watch = SilenceWatch()
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
                if mode == .sessionLock, !hasLock, try await isHung(on: connection, &watch) {
                    _ = try await connection.execute(Self.endHolder, [])
                    onHung()
                }
                try await Task.sleep(for: Self.pause)
            }
        } catch {
            await connection.close()
            throw error
        }
    }

    /// Which term has been silent since when. A leader that has just taken the lock first finds the last one's sign of
    /// life there: it has to stay silent while it is watched, too.
    private struct SilenceWatch {
        var term: Int64?
        var since = ContinuousClock.now
    }

    private func isHung(
        on connection: PostgresConnection, _ watch: inout SilenceWatch
    ) async throws(PostgresError) -> Bool {
        let (seconds, _) = Self.silenceMax.components
        let result = try await connection.execute(Self.silentTerm, [.int64(seconds * 1_000)])
        let term = result.rowCount > 0 ? result.int64(0, 0) : nil
        if term != watch.term || term == nil {
            watch = SilenceWatch(term: term)
            return false
        }
        guard watch.since.duration(to: .now) > .seconds(1) else { return false }
        watch = SilenceWatch()
        return true
    }
}
