import Outbox
import Postgres

/// One connection for a command that looks or acts and ends.
enum OperatorConnection {
    /// Where the database is, or a sentence that says how to tell.
    static func configuration(
        _ configuration: BelfryConfiguration, applicationName: String = "belfry"
    ) throws -> PostgresConfiguration {
        guard let url = configuration.postgresURL else {
            throw ConfigurationError(
                .missing,
                "No database is configured: set postgres.url (BELFRY_POSTGRES_URL), such as "
                    + "postgresql://belfry@db.example/app.")
        }
        return try PostgresConfiguration(url: url, applicationName: applicationName)
    }

    /// Runs `body` with a store on a connection of its own.
    static func with<R>(
        _ configuration: BelfryConfiguration, _ body: (OperatorStore) async throws -> R
    ) async throws -> R {
        try await connected(configuration) { try await body(OperatorStore(executor: $0)) }
    }

    /// The same with a store of jobs.
    static func withJobs<R>(
        _ configuration: BelfryConfiguration, _ body: (ReplayJobStore) async throws -> R
    ) async throws -> R {
        try await connected(configuration) { try await body(ReplayJobStore(executor: $0, isPatient: true)) }
    }

    /// The same with a store of escalations.
    static func withEscalations<R>(
        _ configuration: BelfryConfiguration, _ body: (EscalationStore) async throws -> R
    ) async throws -> R {
        try await connected(configuration) { try await body(EscalationStore(executor: $0)) }
    }

    /// The same with the connection itself.
    static func connected<R>(
        _ configuration: BelfryConfiguration, _ body: (PostgresConnection) async throws -> R
    ) async throws -> R {
        let connection = try await PostgresConnection.connect(Self.configuration(configuration))
        do {
            let result = try await body(connection)
            await connection.close()
            return result
        } catch {
            await connection.close()
            throw error
        }
    }
}
