import Foundation

/// Where a server is, from a URL: `ws://host/ws`, `wss://…`, and for STOMP over TCP `stomp://host:61613`, `stomps://…`.
struct ServerAddress: Sendable, Hashable {
    var isWebSocket: Bool
    var usesTLS: Bool
    /// A name or an address, without brackets.
    var host: String
    var port: Int
    /// Path and query of the WebSocket.
    var path: String

    /// As it stands in the header `Host`.
    var authority: String {
        let host = host.contains(":") ? "[\(host)]" : host
        return port == (usesTLS ? 443 : 80) ? host : "\(host):\(port)"
    }

    /// For sentences.
    var place: String { "\(host.contains(":") ? "[\(host)]" : host):\(port)" }

    /// - Throws: `BelfryClientError` with `.invalidConfiguration`.
    init(parsing url: String) throws(BelfryClientError) {
        guard let parts = URLComponents(string: url), let scheme = parts.scheme?.lowercased() else {
            throw Self.invalid("it is no URL, such as wss://push.example.com/ws")
        }
        switch scheme {
        case "ws": (isWebSocket, usesTLS) = (true, false)
        case "wss": (isWebSocket, usesTLS) = (true, true)
        case "stomp": (isWebSocket, usesTLS) = (false, false)
        case "stomps": (isWebSocket, usesTLS) = (false, true)
        default: throw Self.invalid("it does not begin with ws://, wss://, stomp:// or stomps://")
        }
        // A host with escapes may hold anything once they are read, and goes into a header.
        guard let host = parts.host, !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f && $0 != 0x2f })
        else {
            throw Self.invalid("it names no host, or one with characters that a host's name has not")
        }
        guard parts.user == nil, parts.password == nil else {
            throw Self.invalid("it holds a user or password; who you are is said by the token")
        }
        self.host = host.hasPrefix("[") ? String(host.dropFirst().dropLast()) : host
        port = parts.port ?? (isWebSocket ? (usesTLS ? 443 : 80) : 61613)
        guard (1...65535).contains(port) else { throw Self.invalid("its port is not a number from 1 to 65535") }
        path = parts.percentEncodedPath
        guard isWebSocket else {
            guard path.isEmpty || path == "/", parts.query == nil else {
                throw Self.invalid("STOMP over TCP has no path")
            }
            return
        }
        if path.isEmpty { path = "/" }
        if let query = parts.percentEncodedQuery { path += "?\(query)" }
    }

    private static func invalid(_ reason: String) -> BelfryClientError {
        BelfryClientError(.invalidConfiguration, "The server's URL cannot be used: \(reason).")
    }
}
