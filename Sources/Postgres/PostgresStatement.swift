/// One SQL statement with `$1`, `$2`, … for its values.
public struct PostgresStatement: Sendable, Hashable {
    /// Under this name it is prepared on first use on each connection; empty: it is planned anew each time.
    public let name: String
    public let sql: String
    /// The time it may take on its connection, which is dropped after it; `nil` for what the configuration says.
    public let timeLimit: Duration?

    /// - Parameters:
    ///   - name: at most 63 bytes, one name for one text throughout the program; empty for a statement used rarely.
    ///   - sql: one statement.
    public init(_ name: String, _ sql: String, timeLimit: Duration? = nil) {
        self.name = name
        self.sql = sql
        self.timeLimit = timeLimit
    }
}

/// A statement's value. Its type in SQL is the one that the statement gives to the parameter, with a cast if need be.
public enum PostgresValue: Sendable {
    case null
    case text(String)
    case int64(Int64)
    case bool(Bool)
    case int64Array([Int64])
    case textArray([String])
    /// The value's text form in UTF-8 as it stands, say a JSON document. It holds no NUL byte.
    case bytes([UInt8])
}
