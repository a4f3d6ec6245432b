import Gateway
import Postgres
import RedisBus
import Relay

/// What `/health/ready` looks at.
enum HealthWiring {
    /// - Parameters:
    ///   - redis: `nil` when the bus is in memory, which is always there.
    ///   - relay: `nil` when this process has none.
    static func checks(client: PostgresClient, redis: RedisBus?, relay: RelayStatus?) -> HealthChecks {
        var checks = HealthChecks()
        checks.checks.append(
            ("postgres", { client.isAvailable ? .up : .down("No connection to PostgreSQL is up.") }))
        if let redis {
            checks.checks.append(
                (
                    "redis",
                    {
                        redis.isConnected
                            ? .up
                            : .degraded("Redis is away: messages are found in PostgreSQL, up to two seconds later.")
                    }
                ))
        }
        if let relay {
            checks.checks.append(("listen", { state(of: relay.snapshot) }))
        }
        return checks
    }

    private static func state(of relay: RelayStatus.Snapshot) -> HealthState {
        switch relay.isListening {
        case true?: .up
        case false?: .degraded("LISTEN is not to be had: the relay polls.")
        case nil: .degraded("Whether LISTEN works is not known yet: the relay polls.")
        }
    }
}
