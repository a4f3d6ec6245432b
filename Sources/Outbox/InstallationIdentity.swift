import BelfryModel
import Postgres

/// Which installation of Belfry a database holds, and in which life of its PostgreSQL.
public struct InstallationIdentity: Hashable, Sendable {
    /// Made by a migration; never changes.
    public let id: UniqueID
    /// See `belfry.incarnation`.
    public let incarnation: UniqueID

    public init(id: UniqueID, incarnation: UniqueID) {
        self.id = id
        self.incarnation = incarnation
    }

    /// Plan: one row.
    private static let statement = PostgresStatement(
        "", "select i.id::text, belfry.present_incarnation()::text from belfry.installation i where i.only_row")

    /// The id alone, which operators may read. Plan: one row.
    static let idStatement = PostgresStatement(
        "", "select i.id::text from belfry.installation i where i.only_row")

    /// Asks the database.
    ///
    /// - Throws: `PostgresError`; `.protocolViolation` when somebody has emptied `belfry.installation`.
    public static func read(_ executor: some RelayStoreExecutor) async throws(PostgresError) -> InstallationIdentity {
        let result = try await executor.execute(statement, [])
        guard result.rowCount > 0, let id = UniqueID(result.string(0, 0)),
            let incarnation = UniqueID(result.string(0, 1))
        else {
            throw PostgresError(
                .protocolViolation,
                "belfry.installation has no row, so this installation has no name. Run: "
                    + "insert into belfry.installation default values.")
        }
        return InstallationIdentity(id: id, incarnation: incarnation)
    }
}
