import Bus

/// A connection that came or went, for logs and metrics.
public struct RedisStateChange: Sendable {
    public enum Role: String, Sendable {
        case publisher
        case subscriber
        /// Looks at the server and carries no messages.
        case inspector
    }

    public let role: Role
    public let isConnected: Bool
    /// Why it went; `nil` when it came.
    public let error: BusError?
}
