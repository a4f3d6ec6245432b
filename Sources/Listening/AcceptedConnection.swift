import NIOCore

/// What is known of a connection when its first byte of HTTP or STOMP is awaited.
public struct AcceptedConnection: Sendable {
    /// The client's address: that of the socket, or what a trusted proxy's PROXY header names.
    public let address: IPAddress?
    /// Whether TLS is spoken on it.
    public let isSecure: Bool
    private let gate: ConnectionGate?

    /// - Parameter gate: `nil` where nothing is counted and no proxy is trusted.
    public init(address: IPAddress?, isSecure: Bool = false, gate: ConnectionGate? = nil) {
        self.address = address
        self.isSecure = isSecure
        self.gate = gate
    }

    /// Whether it comes from a proxy whose word is taken for who its clients are.
    public var isOfTrustedProxy: Bool { isTrusted(address) }

    /// Whether an address is one of a trusted proxy.
    public func isTrusted(_ address: IPAddress?) -> Bool { gate?.trusted.contains(address) ?? false }

    /// The proxy that it comes from has told whose it is: that client's limits count, until the channel is closed.
    public func enter(_ channel: any Channel, from client: IPAddress) throws(ConnectionRefusal) {
        try gate?.enter(channel, from: client)
    }
}
