/// A version of STOMP, as named in `accept-version` and `version` ("STOMP 1.2, Protocol Negotiation").
public enum ProtocolVersion: String, Hashable, Sendable, CaseIterable {
    case v10 = "1.0"
    case v11 = "1.1"
    case v12 = "1.2"
}
