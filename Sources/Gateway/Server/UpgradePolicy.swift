import Foundation
import HTTPTypes
import NIOHTTP1

/// Which requests may become a WebSocket.
struct UpgradePolicy: Sendable {
    /// Why one may not, for the answer to it.
    struct Refusal: Hashable, Sendable {
        let status: HTTPResponse.Status
        let text: String
    }

    /// The path of the STOMP endpoint.
    static let path = "/ws"

    /// Subprotocols that are served, the best first. STOMP 1.2 names `v12.stomp`.
    static let subprotocols = ["v12.stomp"]

    /// Origins that may connect from a browser; any may when empty, since a session needs a token, not a cookie.
    let allowedOrigins: [String]
    /// In development mode a token is a user's id, which any page could guess: only pages of this machine may connect.
    var isLoopbackOnly = false

    /// Why a request for `path` from `origin` is refused; `nil` when it is not.
    func refusal(path: String, origin: String?) -> Refusal? {
        guard path == Self.path else {
            return Refusal(
                status: .notFound, text: "There is no WebSocket at '\(path.prefix(200))': connect to \(Self.path).")
        }
        if let origin, !allowedOrigins.isEmpty, !allowedOrigins.contains(origin) {
            return Refusal(
                status: .forbidden,
                text: "The origin '\(origin.prefix(200))' may not connect: the operator allows it by allowedOrigins.")
        }
        if let origin, isLoopbackOnly, !Self.isLoopback(origin) {
            return Refusal(
                status: .forbidden,
                text: "In development mode only pages of this machine may connect, not '\(origin.prefix(200))'.")
        }
        return nil
    }

    private static func isLoopback(_ origin: String) -> Bool {
        guard let separator = origin.range(of: "://") else { return false }
        let authority = origin[separator.upperBound...]
        return ["localhost", "127.0.0.1", "[::1]"].contains { authority == $0 || authority.hasPrefix($0 + ":") }
    }

    /// Why a handshake is refused (RFC 6455, section 4.2.1); `nil` when it is not.
    func refusal(of head: HTTPRequestHead) -> Refusal? {
        let path = String(head.uri.prefix { $0 != "?" })
        if let refusal = refusal(path: path, origin: head.headers.first(name: "origin")) { return refusal }
        guard head.method == .GET, head.version == .http1_1,
            head.headers[canonicalForm: "connection"].contains(where: { $0.lowercased() == "upgrade" })
        else {
            return Refusal(
                status: .badRequest,
                text: "A WebSocket handshake is a GET of HTTP/1.1 with Connection: Upgrade (RFC 6455).")
        }
        let keys = head.headers["sec-websocket-key"]
        guard keys.count == 1, keys[0].utf8.count == 24 else {
            return Refusal(
                status: .badRequest,
                text: "A WebSocket handshake has one Sec-WebSocket-Key, of 16 bytes in base64 (RFC 6455).")
        }
        guard head.headers["sec-websocket-version"] == ["13"] else {
            return Refusal(status: .badRequest, text: "Only version 13 of WebSocket is served (RFC 6455).")
        }
        return nil
    }

    /// The subprotocol to answer with (RFC 6455, section 4.2.2): the best that was offered, or none.
    func subprotocol(offered: [String]) -> String? {
        Self.subprotocols.first { offered.contains($0) }
    }
}
