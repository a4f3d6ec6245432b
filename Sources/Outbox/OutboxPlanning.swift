/// How PostgreSQL is to plan the statements of relays and nodes.
public enum OutboxPlanning {
    /// For `PostgresConfiguration.sessionSettings`.
    ///
    /// A prepared statement keeps the plan that it got while its table was small: reading all of it. When the table has
    /// grown a moment later that plan costs a thousand times more than the index, until the next ANALYZE. A bitmap scan
    /// walks, each time, over what was acknowledged since the last vacuum; an index scan marks it once. None of the
    /// statements wants a table as a whole, nor runs long enough to be compiled.
    ///
    /// No statement waits for a row for longer than ten milliseconds; one that meets a table locked as a whole (by the
    /// owner's ALTER TABLE, say) gives up after five seconds and is tried again. A backend whose process has gone in
    /// the middle of a statement ends within seconds.
    public static let sessionSettings = [
        "enable_bitmapscan": "off", "enable_seqscan": "off", "jit": "off", "lock_timeout": "5s",
        "client_connection_check_interval": "2s",
    ]
}
