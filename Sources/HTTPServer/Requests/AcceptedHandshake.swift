import Listening
import NIOHTTP1
import WebSocket

/// What is served at a path that takes WebSockets.
public enum WebSocketEndpoint: Hashable, Sendable {
    /// STOMP frames as they are.
    case stomp
    /// What the service mounted at a prefix has there: see `MountedService`.
    case mounted(prefix: String, isRaw: Bool)
}

/// A handshake that is let in, and what is agreed by its answer.
public struct AcceptedHandshake: Sendable {
    /// The request, its target in origin form.
    public let head: HTTPRequestHead
    public let endpoint: WebSocketEndpoint
    /// The subprotocol that the answer names, if any.
    public let subprotocol: String?
    /// The address of the client, as far as it is known.
    public let client: IPAddress?
    /// How messages are compressed, if they are.
    public let compression: PerMessageDeflate?

    public init(
        head: HTTPRequestHead, endpoint: WebSocketEndpoint, subprotocol: String?, client: IPAddress? = nil,
        compression: PerMessageDeflate? = nil
    ) {
        self.head = head
        self.endpoint = endpoint
        self.subprotocol = subprotocol
        self.client = client
        self.compression = compression
    }
}
