/// A version of STOMP, as named in `accept-version` and `version` ("STOMP 1.2, Protocol Negotiation"); the lowest
/// first.
public enum ProtocolVersion: String, Hashable, Sendable, CaseIterable {
    case v10 = "1.0"
    case v11 = "1.1"
    case v12 = "1.2"

    /// - Parameter subprotocol: that of a WebSocket, such as `v12.stomp` ("STOMP 1.2, Protocol Negotiation").
    public init?(subprotocol: String) {
        guard let version = Self.allCases.first(where: { $0.subprotocol == subprotocol }) else { return nil }
        self = version
    }

    /// The version that both sides speak, the highest of those that the client accepts; `nil` when there is none.
    ///
    /// - Parameters:
    ///   - accepted: the header `accept-version`, a list with commas. Without it a client speaks 1.0, or what was
    ///     agreed.
    ///   - agreed: what the transport's handshake agreed on: it is taken if the client accepts it.
    static func negotiated(accepted: String?, agreed: ProtocolVersion?) -> ProtocolVersion? {
        guard let accepted else { return agreed ?? .v10 }
        let blank = UInt8(ascii: " ")
        let names = accepted.utf8.split(separator: UInt8(ascii: ",")).map { name in
            name.drop { $0 == blank }.prefix { $0 != blank }
        }
        let common = allCases.filter { version in names.contains { $0.elementsEqual(version.rawValue.utf8) } }
        return agreed.flatMap { common.contains($0) ? $0 : nil } ?? common.last
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
