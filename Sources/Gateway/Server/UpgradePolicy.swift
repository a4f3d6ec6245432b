import HTTPTypes

/// Which requests may become a WebSocket.
struct UpgradePolicy: Sendable {
    /// Why one may not, for the answer to it.
    struct Refusal: Sendable {
        let status: HTTPResponse.Status
        let text: String
    }

    /// The path of the STOMP endpoint.
    static let path = "/ws"

    /// Subprotocols that are served, the best first. STOMP 1.2 names `v12.stomp`.
    static let subprotocols = ["v12.stomp"]

    /// Origins that may connect from a browser; any may when empty, since a session needs a token, not a cookie.
    let allowedOrigins: [String]

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
        return nil
    }

    /// The subprotocol to answer with (RFC 6455, section 4.2.2): the best that was offered, or none.
    func subprotocol(offered: [String]) -> String? {
        Self.subprotocols.first { offered.contains($0) }
    }
}
