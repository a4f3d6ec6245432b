import Outbox
import Postgres

/// The two ways to the database.
struct DatabaseConfiguration: Sendable {
    /// For everything but LISTEN and the relay's loop; a pooler may be in between.
    let pooled: PostgresConfiguration
    /// For LISTEN and the relay's loop, where it differs.
    let direct: PostgresConfiguration?

    /// For what clients ask for: a lock on a whole table, which statements meet before they can say how long they wait,
    /// holds up no request for long.
    var requests: PostgresConfiguration {
        var configuration = pooled
        if configuration.preparesStatements { configuration.sessionSettings["lock_timeout"] = "250ms" }
        return configuration
    }

    /// For what is noted of messages.
    var traces: PostgresConfiguration {
        var configuration = pooled
        if configuration.preparesStatements { configuration.sessionSettings["lock_timeout"] = "1s" }
        return configuration
    }

    /// - Throws: `ConfigurationError` when no database is configured; `PostgresError` for a URL that can't be one.
    init(_ configuration: BelfryConfiguration, applicationName: String) throws {
        guard let url = configuration.postgresURL else {
            throw ConfigurationError(
                .missing,
                "No database is configured: set postgres.url (BELFRY_POSTGRES_URL), such as "
                    + "postgresql://belfry@db.example/app.")
        }
        pooled = try Self.make(url, applicationName)
        direct = try configuration.postgresListenURL.map { url in try Self.make(url, applicationName) }
    }

    /// Where nothing is prepared every plan is made for the tables as they are.
    private static func make(_ url: String, _ applicationName: String) throws -> PostgresConfiguration {
        var configuration = try PostgresConfiguration(url: url, applicationName: applicationName)
        if configuration.preparesStatements { configuration.sessionSettings = OutboxPlanning.sessionSettings }
        return configuration
    }
}
