/// A line of `belfry.migration`.
public struct AppliedMigration: Hashable, Sendable {
    public let version: Int
    public let name: String
    /// ISO 8601, UTC.
    public let appliedAt: String
}

/// How a database compares with this binary.
public struct MigrationStatus: Hashable, Sendable {
    public let applied: [AppliedMigration]
    public let pending: [Migration]
}

/// Why the schema was not brought, or is not, where this binary wants it.
public struct MigratorError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable {
        enum Value { case newerSchema, unknownMigration, outdated, failed }
        let value: Value
        /// The database is newer than this binary.
        public static let newerSchema = Code(value: .newerSchema)
        /// The database has a migration under a number that is another one here.
        public static let unknownMigration = Code(value: .unknownMigration)
        /// Migrations are missing in the database.
        public static let outdated = Code(value: .outdated)
        /// A migration did not run through; `underlying` says why.
        public static let failed = Code(value: .failed)
    }

    public let code: Code
    /// What is wrong, and what to do.
    public let message: String
    public let underlying: (any Error)?
    public let file: String
    public let line: Int

    init(
        _ code: Code, _ message: String, underlying: (any Error)? = nil, file: String = #fileID, line: Int = #line
    ) {
        self.code = code
        self.message = message
        self.underlying = underlying
        self.file = file
        self.line = line
    }

    public var description: String { message }
}
