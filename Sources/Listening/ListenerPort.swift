/// The ports of a node, by what is spoken there.
public enum ListenerPort: String, CaseIterable, Sendable {
    /// HTTP, and what begins with it.
    case http
    /// STOMP over TCP.
    case stomp
    /// The operators' console, where it has a port of its own.
    case console
}
