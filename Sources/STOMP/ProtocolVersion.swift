/// A version of STOMP, as named in `accept-version` and `version` ("STOMP 1.2, Protocol Negotiation").
public enum ProtocolVersion: String, Hashable, Sendable, CaseIterable {
    case v10 = "1.0"
    case v11 = "1.1"
    case v12 = "1.2"

    /// - Parameter subprotocol: that of a WebSocket, such as `v12.stomp` ("STOMP 1.2, Protocol Negotiation").
    public init?(subprotocol: String) {
        guard let version = Self.allCases.first(where: { $0.subprotocol == subprotocol }) else { return nil }
        self = version
    }

    /// The name of a WebSocket's subprotocol that carries this version.
    public var subprotocol: String {
        switch self {
        case .v10: "v10.stomp"
        case .v11: "v11.stomp"
        case .v12: "v12.stomp"
        }
    }
}
