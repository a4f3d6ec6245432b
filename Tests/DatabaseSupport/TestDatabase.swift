import Outbox
import Postgres

/// A test's own database.
public struct TestDatabase: Sendable {
    public let url: String

    /// - Parameter url: for the superuser.
    public init(url: String) { self.url = url }

    public func configuration(role: String = "postgres") throws -> PostgresConfiguration {
        try PostgresConfiguration(
            url: url.replacing("postgres@", with: "\(role)@", maxReplacements: 1), applicationName: "tests")
    }

    /// Whose database it is.
    public func installation() async throws -> InstallationIdentity {
        let connection = try await connect()
        let installation = try await InstallationIdentity.read(connection)
        await connection.close()
        return installation
    }

    public func connect(role: String = "postgres") async throws -> PostgresConnection {
        try await PostgresConnection.connect(configuration(role: role))
    }
}

extension PostgresConnection {
    /// The rows of a query; null is "-".
    public func rows(_ sql: String) async throws -> [[String]] {
        let result = try await execute(PostgresStatement("", sql), [])
        return (0..<result.rowCount).map { row in
            (0..<result.columnCount).map { result.optionalString(row, $0) ?? "-" }
        }
    }

    /// The first column of the first row.
    public func value(_ sql: String) async throws -> String { try await rows(sql).first?.first ?? "-" }
}
