import Listening
import NIOHTTP1

/// What the client of a request asked for, whatever trusted proxies are in between.
struct AskedRequest: Sendable {
    /// Its client's address, as far as it is known.
    let client: IPAddress?
    /// The host that it asked for.
    let host: HTTPAuthority?
    /// Whether it asked by `https`; `nil` when that is not known: whoever ends TLS before us may not say so.
    let isSecure: Bool?

    /// - Parameters:
    ///   - host: by the request itself.
    ///   - connection: the one that it came on.
    init(_ head: HTTPRequestHead, host: HTTPAuthority?, connection: AcceptedConnection, forwarding: ForwardedHeader) {
        let forwarded = connection.isOfTrustedProxy ? forwarding.read(head.headers, from: connection) : nil
        self.init(
            client: forwarded?.client ?? connection.address, host: forwarded?.host ?? host,
            isSecure: forwarded?.isSecure ?? (connection.isSecure ? true : nil))
    }

    init(client: IPAddress?, host: HTTPAuthority?, isSecure: Bool?) {
        self.client = client
        self.host = host
        self.isSecure = isSecure
    }

    /// Whether a page is of the host and port that were asked for.
    func isHost(of page: WebOrigin) -> Bool {
        guard let host, page.isOfWeb, page.authority.host.lowercased() == host.host.lowercased() else { return false }
        // Where it is not known how the request was made, it was made as the page was.
        return Self.port(page.authority, isSecure: page.isSecure)
            == Self.port(host, isSecure: isSecure ?? page.isSecure)
    }

    private static func port(_ authority: HTTPAuthority, isSecure: Bool) -> UInt16 {
        authority.port ?? (isSecure ? 443 : 80)
    }
}

extension ForwardedHeader {
    /// The address of a request's client, as far as it is known.
    ///
    /// - Parameter connection: the one that it came on.
    public func client(of head: HTTPRequestHead, on connection: AcceptedConnection) -> IPAddress? {
        AskedRequest(head, host: nil, connection: connection, forwarding: self).client
    }
}
