import STOMP

/// How a client is connected: what its transport knows of it before the first STOMP frame.
public struct ClientConnection: Sendable {
    /// The transport's name, for logs: `websocket`, `tcp`.
    public let transport: String
    /// The version of STOMP that the transport's own handshake agreed on, if it did.
    public var version: ProtocolVersion?
    /// A SUBSCRIBE without the header `ack` is acknowledged by SENDs to `/app/ack` alone, as pages of the design before
    /// Belfry do it, and is not mode `auto`.
    public var acknowledgesByCommand = false
    /// It came by a port where the operators' console is served, over WebSocket.
    public var isAtConsole = false
    /// The client's IP address, without a port; `nil` when it is not known.
    public var address: String?
    /// What it calls itself, as operators are shown it; `nil` when it does not, or is not known.
    public var client: String?
    /// Header fields of the HTTP request that the connection began with, as they came.
    public var fields: [(name: String, value: String)] = []

    public init(transport: String) { self.transport = transport }

    /// The same with no other fields than those of these names.
    func keeping(fields names: [String], clients: inout ClientNames) -> ClientConnection {
        var kept = self
        kept.client = fields.first { $0.name.lowercased() == "user-agent" }.flatMap { clients.name($0.value) }
        kept.fields =
            names.isEmpty
            ? [] : fields.filter { field in names.contains { $0.lowercased() == field.name.lowercased() } }
        return kept
    }
}
