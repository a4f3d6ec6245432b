extension PostgresConnection {
    /// Calls `handler` with the reason once the connection has ended, whoever ended it; at once if it has.
    public func whenEnded(_ handler: @escaping @Sendable (PostgresError) -> Void) {
        Task { handler(await end()) }
    }
}
