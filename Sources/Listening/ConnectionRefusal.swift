/// Why a connection was ended before it came to anything.
public enum ConnectionRefusal: String, Error, CaseIterable, Sendable {
    /// As many connections as the node takes are open.
    case nodeFull
    /// More connections a second than the node takes.
    case nodeRate
    /// As many connections as one address may have are open.
    case addressFull
    /// More connections a second than one address may make.
    case addressRate
    /// No PROXY header where a trusted proxy sends one, a faulty one, or one of somebody who is not trusted.
    case proxyHeader
    /// The TLS handshake failed.
    case tlsHandshake
    /// PROXY header and TLS handshake took too long.
    case openingTimeout

    /// Whether it is the peer's doing alone: others are served.
    public var isOfOneAddress: Bool {
        switch self {
        case .addressFull, .addressRate: true
        case .nodeFull, .nodeRate, .proxyHeader, .tlsHandshake, .openingTimeout: false
        }
    }

    /// Whether an operator may have to change a limit.
    var isOfLimit: Bool {
        switch self {
        case .nodeFull, .nodeRate, .addressFull, .addressRate: true
        case .proxyHeader, .tlsHandshake, .openingTimeout: false
        }
    }

    /// After how many seconds it makes sense to try again.
    public var retryAfterSeconds: Int {
        switch self {
        case .nodeFull, .addressFull: 10
        case .nodeRate, .addressRate, .proxyHeader, .tlsHandshake, .openingTimeout: 1
        }
    }

    /// A sentence for the developer of the client.
    public var text: String {
        switch self {
        case .nodeFull: "This node has as many connections as it takes: come back later."
        case .nodeRate: "Too many connections are being made to this node: come back later."
        case .addressFull: "There are as many connections from this address as it may have: close one first."
        case .addressRate: "Connections come too fast from this address: wait a little between them."
        case .proxyHeader: "The PROXY header is not as it should be."
        case .tlsHandshake: "The TLS handshake failed."
        case .openingTimeout: "PROXY header and TLS handshake took too long."
        }
    }
}
