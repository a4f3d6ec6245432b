import Authentication
import BelfryModel
import Bus
import Commands
import Logging
import MessageTrace
import NIOCore
import Outbox
import Postgres

/// What the workers of a node share.
public struct NodeContext: Sendable {
    let store: NodeStore
    let bus: any Bus
    let authenticator: any Authenticator
    let commands: CommandTable
    let limits: Limits
    let version: String
    let logger: Logger
    /// Notes what becomes of messages.
    let trace: TraceRecorder
    let occupancy: Occupancy
    let authentications: AuthenticationGate
    /// What the token is known by that a client shows; `nil` when it shows none.
    let fingerprint: @Sendable (Credentials) -> TokenFingerprint?
    public let refusedTokens = RefusedTokens()
    /// Whose messages these are: `belfry.installation`.
    let installation: UniqueID
    /// The incarnation of PostgreSQL when the node started.
    let incarnation: UniqueID
    let lease = NodeLease(now: .now())
    let metrics = NodeMetrics()
    let sendRefusals: SendRefusals
    let allocator = ByteBufferAllocator()

    /// - Parameters:
    ///   - installation: of the database, as it is at the start.
    ///   - version: the program's.
    ///   - sendRefusals: where messages are noted that the schema refuses.
    ///   - trace: where it is noted what becomes of messages.
    ///   - fingerprint: what the token is known by that a client shows.
    public init(
        store: NodeStore, bus: any Bus, authenticator: any Authenticator, commands: CommandTable,
        limits: Limits, version: String, installation: InstallationIdentity, logger: Logger,
        sendRefusals: SendRefusals = SendRefusals(), trace: TraceRecorder = .off,
        fingerprint: @escaping @Sendable (Credentials) -> TokenFingerprint? = { _ in nil }
    ) {
        self.store = store
        self.bus = bus
        self.authenticator = authenticator
        self.commands = commands
        self.limits = limits
        self.version = version
        self.logger = logger
        self.trace = trace
        self.occupancy = Occupancy(sessionsMax: limits.sessionsMax)
        self.authentications = AuthenticationGate(waitingMax: limits.authenticationsMax)
        self.fingerprint = fingerprint
        self.sendRefusals = sendRefusals
        self.installation = installation.id
        self.incarnation = installation.incarnation
    }

    /// Removes the node's row, at a graceful end.
    public func leave() async throws(PostgresError) { try await store.leave() }
}
