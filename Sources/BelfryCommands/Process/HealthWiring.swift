import HTTPServer
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
        checks.checks.append(("postgres", { await answer(of: client) }))
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

    /// Asks it something: a server that hangs still has its connections. The check's own timeout bounds the wait.
    private static func answer(of client: PostgresClient) async -> HealthState {
        guard client.isAvailable else { return .down("No connection to PostgreSQL is up.") }
        do throws(PostgresError) {
            _ = try await client.execute(PostgresStatement("", "select 1"))
            return .up
        } catch {
            return .down("PostgreSQL does not answer: \(error.message)")
        }
    }

    private static func state(of relay: RelayStatus.Snapshot) -> HealthState {
        switch relay.isListening {
        case true?: .up
        case false?: .degraded("Notifications do not arrive: the relay polls.")
        case nil: .degraded("Whether notifications arrive is not known yet: the relay polls.")
        }
    }
}
