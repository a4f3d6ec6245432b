import NIOHTTP1
import WebSocket

/// Which requests may become a WebSocket, and which pages may have a browser send what proves nothing.
public struct UpgradePolicy: Sendable {
    /// The path of the STOMP endpoint.
    static let path = "/ws"

    /// Subprotocols that are served, the best first ("STOMP 1.2, Protocol Negotiation").
    static let subprotocols = ["v12.stomp", "v11.stomp", "v10.stomp"]

    /// What is served at which path.
    public var endpoints = [Self.path: WebSocketEndpoint.stomp]
    /// In `allowedOrigins`: any page may connect.
    static let anyOrigin = "*"

    /// Origins that may connect from a browser, beside pages of the host that is asked for.
    let allowedOrigins: [String]
    /// A token is what any page could guess, such as a user's id: only pages of this machine may connect or, where
    /// there are some, only those of `allowedOrigins`.
    var tokensAreUnproven = false
    /// The node listens where only this machine reaches it. Then whoever asks for another host has been led here by a
    /// name that was made to stand for this machine, DNS rebinding, which no check of the origin sees.
    var isOnLoopback = false
    /// Messages are compressed for clients that offer to take them so.
    public var compresses = false

    /// What has a part of the paths to itself.
    public var services: [MountedService] = []

    public init(allowedOrigins: [String], tokensAreUnproven: Bool = false, isOnLoopback: Bool = false) {
        self.allowedOrigins = allowedOrigins
        self.tokensAreUnproven = tokensAreUnproven
        self.isOnLoopback = isOnLoopback
    }

    /// The service that a path, without its query, belongs to.
    func service(at path: Substring) -> MountedService? { services.first { $0.contains(path) } }

    /// What becomes of a handshake (RFC 6455, section 4.2.1).
    ///
    /// - Parameters:
    ///   - head: with a request target in origin form and, of HTTP/1.1, one valid `Host`: see `RequestRules`.
    ///   - asked: what its client asked for, whatever proxies are in between.
    func verdict(on head: HTTPRequestHead, asked: AskedRequest) -> RequestRules.Verdict {
        let path = head.uri.prefix { $0 != "?" }
        let service = service(at: path)
        guard let endpoint = service.map({ $0.endpoint(at: path) }) ?? endpoints[String(path)] else {
            if service != nil { return servedByService(head, asked: asked) }
            return .refuse(
                RequestRefusal(
                    status: .notFound, text: "There is no WebSocket at '\(path.prefix(200))': connect to \(Self.path).")
            )
        }
        // The service knows what to answer to other methods.
        if service != nil, head.method != .GET { return servedByService(head, asked: asked) }
        if let refusal = refusal(ofPages: head, asked: asked) ?? refusal(ofHandshake: head) { return .refuse(refusal) }
        guard let extensions = Self.extensions(offeredBy: head) else {
            return .refuse(
                .badRequest("Sec-WebSocket-Extensions is a list such as 'permessage-deflate; name=value' (RFC 6455)."))
        }
        let offered = head.headers[canonicalForm: "sec-websocket-protocol"].map(String.init)
        return .upgrade(
            AcceptedHandshake(
                head: head, endpoint: endpoint, subprotocol: subprotocol(offered: offered), client: asked.client,
                compression: compresses ? PerMessageDeflate(offered: extensions) : nil))
    }

    /// What becomes of a request that asks for an upgrade and is to be answered by the service at its path. No request
    /// can follow on its connection: NIO's decoder ends at it.
    private func servedByService(_ head: HTTPRequestHead, asked: AskedRequest) -> RequestRules.Verdict {
        refusal(ofPages: head, asked: asked).map(RequestRules.Verdict.refuse) ?? .serve(head, isLast: true)
    }

    /// Why the page that had a browser send this may not, if it was one; `nil` when it may. Programs send no origin.
    func refusal(ofPages head: HTTPRequestHead, asked: AskedRequest) -> RequestRefusal? {
        let origins = head.headers["origin"]
        guard origins.count <= 1 else {
            return .badRequest("There are \(origins.count) Origin headers; a request has one at most (RFC 6454).")
        }
        if tokensAreUnproven, isOnLoopback, asked.host?.isLoopback != true {
            return .forbidden(
                "In development mode only this machine is served, under its own name, not "
                    + "'\((asked.host?.host ?? "").prefix(200))': use localhost, 127.0.0.1 or [::1].")
        }
        guard let origin = origins.first, !allowedOrigins.contains(origin), !allowedOrigins.contains(Self.anyOrigin)
        else { return nil }
        let page = WebOrigin(parsing: origin)
        if tokensAreUnproven, allowedOrigins.isEmpty {
            return page?.isOfWeb == true && page?.authority.isLoopback == true
                ? nil
                : .forbidden(
                    "In development mode only pages of this machine may connect, not '\(origin.prefix(200))'.")
        }
        // A name that was made to stand for this machine is the host of its own pages.
        if !tokensAreUnproven, let page, asked.isHost(of: page) { return nil }
        return .forbidden(
            "Pages of '\(origin.prefix(200))' may not connect to '\((asked.host?.host ?? "").prefix(200))': the "
                + "operator allows it by allowedOrigins.")
    }

    private func refusal(ofHandshake head: HTTPRequestHead) -> RequestRefusal? {
        guard head.method == .GET, head.version == .http1_1,
            head.headers[canonicalForm: "connection"].contains(where: { $0.lowercased() == "upgrade" })
        else {
            return .badRequest("A WebSocket handshake is a GET of HTTP/1.1 with Connection: Upgrade (RFC 6455).")
        }
        guard head.headers["sec-websocket-version"] == ["13"] else { return .otherVersion }
        let keys = head.headers["sec-websocket-key"]
        guard keys.count == 1, Self.isKey(keys[0]) else {
            return .badRequest("A WebSocket handshake has one Sec-WebSocket-Key, of 16 bytes in base64 (RFC 6455).")
        }
        return nil
    }

    /// Whether a text is 16 bytes in base64. What the last letter's spare bits hold is no matter (RFC 4648, section
    /// 3.5).
    private static func isKey(_ text: String) -> Bool {
        // RFC 9110, section 5.5: blanks around a value are none of it.
        let blanks = [UInt8(ascii: " "), UInt8(ascii: "\t")]
        let bytes = Array(text.utf8.drop(while: blanks.contains).reversed().drop(while: blanks.contains).reversed())
        return bytes.count == 24 && bytes[22...].allSatisfy { $0 == UInt8(ascii: "=") }
            && bytes[..<22].allSatisfy { byte in
                (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte & 0xDF) || "+/".utf8.contains(byte)
            }
    }

    /// The extensions that a handshake offers, the best first; `nil` when the header is none that may be (RFC 6455,
    /// section 9.1).
    private static func extensions(offeredBy head: HTTPRequestHead) -> [WebSocketExtension]? {
        let headers = head.headers["sec-websocket-extensions"]
        return headers.isEmpty ? [] : WebSocketExtension.list(parsing: headers.joined(separator: ","))
    }

    /// The subprotocol to answer with (RFC 6455, section 4.2.2): the best that was offered, or none.
    func subprotocol(offered: [String]) -> String? {
        Self.subprotocols.first { offered.contains($0) }
    }
}
