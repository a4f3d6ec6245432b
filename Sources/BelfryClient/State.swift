extension BelfryClient {
    /// How a client fares.
    public enum State: Sendable {
        /// `run()` has not been called.
        case idle
        /// The first connection is being made.
        case connecting
        case connected(Session)
        /// The connection was lost, or could not be made: why, how often in a row, and when it is tried again.
        case reconnecting(BelfryClientError, attempt: Int, retryIn: Duration)
        /// There will be no further connection: `nil` when `run()` was cancelled.
        case closed(BelfryClientError?)
    }

    /// What the server said when it accepted the token.
    public struct Session: Sendable, Hashable {
        /// The session's id.
        public let id: String
        /// Name and version of the server.
        public let server: String
        /// Whose the session is.
        public let user: String
        /// Until when the token lasts; `nil` for a token without an end.
        public let timeLeft: Duration?
    }
}
