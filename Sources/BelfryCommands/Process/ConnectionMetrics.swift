import Metrics
import RedisBus

/// How often connections came, and how many there are.
struct ConnectionMetrics: Sendable {
    private let postgresUp = Gauge(label: "belfry_postgres_up")
    private let postgresConnections = Counter(label: "belfry_postgres_connections_total")

    init() {
        postgresUp.record(0)
    }

    func postgresChanged(_ isUp: Bool) {
        postgresUp.record(isUp ? 1 : 0)
        if isUp { postgresConnections.increment() }
    }

    func redisChanged(_ change: RedisStateChange) {
        let role = [("role", change.role.rawValue)]
        let open = Meter(label: "belfry_redis_connections", dimensions: role)
        if change.isConnected {
            open.increment()
            Counter(label: "belfry_redis_connections_total", dimensions: role).increment()
        } else {
            open.decrement()
        }
    }
}
