import Listening
import NIOHTTP1

/// In which header fields a trusted proxy tells whose request it passes on. One way only is believed: the other is what
/// a client wrote and the proxy left as it was.
public enum ForwardedHeader: String, Sendable, CaseIterable {
    /// `X-Forwarded-For`, `X-Forwarded-Host` and `X-Forwarded-Proto`.
    case xForwarded
    /// `Forwarded` (RFC 7239).
    case forwarded

    /// What is told; `nil` of it what is absent or not understood.
    struct Told: Equatable {
        var client: IPAddress?
        var host: HTTPAuthority?
        var isSecure: Bool?
    }

    /// Proxies in a row at most; what is further away is not looked at.
    private static let proxiesMax = 32

    /// - Parameter connection: that of a trusted proxy.
    func read(_ headers: HTTPHeaders, from connection: AcceptedConnection) -> Told {
        switch self {
        case .xForwarded:
            // Proxies append: what is last is by the one that we are connected with.
            let addresses = headers["x-forwarded-for"].flatMap(Self.members).reversed().map(Self.address)
            return Told(
                client: Self.client(addresses, connection).address,
                host: headers["x-forwarded-host"].flatMap(Self.members).last.flatMap { HTTPAuthority(parsing: $0) },
                isSecure: headers["x-forwarded-proto"].flatMap(Self.members).last.flatMap(Self.isSecure))
        case .forwarded:
            let hops = Array(headers["forwarded"].flatMap(ForwardedHop.all).reversed())
            let (client, place) = Self.client(hops.map { $0.for.flatMap(Self.address) }, connection)
            guard hops.indices.contains(place) else { return Told() }
            // What the proxy next to the client saw.
            return Told(
                client: client, host: hops[place].host.flatMap { HTTPAuthority(parsing: $0) },
                isSecure: hops[place].proto.flatMap(Self.isSecure))
        }
    }

    /// The first address, from us outwards, that is no trusted proxy's. Behind one that is not understood nothing is
    /// believed.
    ///
    /// - Returns: it, and its place: that of the last one that was looked at.
    private static func client(
        _ addresses: [IPAddress?], _ connection: AcceptedConnection
    ) -> (address: IPAddress?, place: Int) {
        var client: IPAddress?
        for (place, address) in addresses.prefix(proxiesMax).enumerated() {
            guard let address else { return (client, place) }
            client = address
            if !connection.isTrusted(address) { return (client, place) }
        }
        return (client, min(addresses.count, proxiesMax) - 1)
    }

    private static func members(_ value: String) -> [Substring] {
        value.split(separator: ",", omittingEmptySubsequences: false).map(trimmed)
    }

    static func trimmed(_ text: Substring) -> Substring {
        let isBlank = { (character: Character) in character == " " || character == "\t" }
        let start = text.drop(while: isBlank)
        return start[..<(start.lastIndex { !isBlank($0) }.map(start.index(after:)) ?? start.startIndex)]
    }

    /// An address, of IPv6 with or without brackets, with a port or without one.
    private static func address(_ text: some StringProtocol) -> IPAddress? {
        if let address = IPAddress(parsing: text) { return address }
        return HTTPAuthority(parsing: text).flatMap { IPAddress(parsing: $0.host) }
    }

    private static func isSecure(_ scheme: some StringProtocol) -> Bool? {
        switch scheme.lowercased() {
        case "https", "wss": true
        case "http", "ws": false
        default: nil
        }
    }
}
