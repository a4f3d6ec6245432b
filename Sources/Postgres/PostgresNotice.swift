/// A NOTICE, WARNING or the like that the server sent beside its answers.
public struct PostgresNotice: Sendable {
    /// `NOTICE`, `WARNING`, …, not localized.
    public let severity: String
    public let sqlState: String?
    public let message: String
}
