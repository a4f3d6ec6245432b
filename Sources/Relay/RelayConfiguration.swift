import BelfryModel
import Postgres

/// What a relay needs to know.
public struct RelayConfiguration: Sendable {
    /// The database, perhaps behind a pooler.
    public var postgres: PostgresConfiguration
    /// A direct connection to the same database, for LISTEN and the leader's loop; `nil`: `postgres` is direct.
    public var direct: PostgresConfiguration?
    /// Whose messages they are: `belfry.installation`.
    public var installation: UniqueID
    public var limits: Limits
    /// What is deleted of the log, when.
    public var retention: RetentionPolicy
    /// How the application is told of what is not delivered.
    public var escalation: EscalationPolicy
    /// This process in logs and in `belfry status`: host and process id, and something that no other process has.
    public var name: String

    public init(
        postgres: PostgresConfiguration, direct: PostgresConfiguration? = nil, installation: UniqueID,
        limits: Limits = Limits(), retention: RetentionPolicy = RetentionPolicy(),
        escalation: EscalationPolicy = EscalationPolicy(), name: String
    ) {
        self.postgres = postgres
        self.direct = direct
        self.installation = installation
        self.limits = limits
        self.retention = retention
        self.escalation = escalation
        self.name = name
    }
}
