import BelfryModel
import Logging
import Outbox
import Postgres
import ServiceLifecycle

/// Makes sure at the start that the schema is the one this program knows.
enum SchemaCheck {
    /// How long a process waits at its start for a database that is away; a supervisor starts it again after that.
    static let patience: Duration = .seconds(60)

    /// - Returns: whose schema it is.
    /// - Throws: `MigratorError` for another schema; `PostgresError` when the database stays away or refuses;
    ///   `CancellationError` on graceful shutdown.
    static func wait(for configuration: PostgresConfiguration, logger: Logger) async throws -> InstallationIdentity {
        let migrator = Migrator(configuration: configuration)
        return try await cancelWhenGracefulShutdown {
            let deadline = ContinuousClock.now.advanced(by: patience)
            var backoff = Backoff(first: .milliseconds(250), limit: .seconds(2))
            var hasWarned = false
            while true {
                do {
                    return try await migrator.requireCurrent()
                } catch let error as PostgresError where error.isTransient && ContinuousClock.now < deadline {
                    if !hasWarned {
                        logger.warning(
                            "The database is away; waiting for it.",
                            metadata: ["database": "\(configuration)", "error": "\(error)"])
                    }
                    hasWarned = true
                    try await Task.sleep(for: backoff.next())
                }
            }
        }
    }
}
