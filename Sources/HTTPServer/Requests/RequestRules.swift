import Listening
import NIOHTTP1

/// What becomes of a request, by its head alone: the same for a connection's first request and for later ones.
public struct RequestRules: Sendable {
    /// What becomes of it.
    enum Verdict: Sendable {
        /// A handshake that is let in.
        case upgrade(AcceptedHandshake)
        /// Plain HTTP, with the target in origin form; `isLast`: the connection is closed behind the answer.
        case serve(HTTPRequestHead, isLast: Bool)
        case refuse(RequestRefusal)
    }

    let policy: UpgradePolicy
    /// Where trusted proxies tell whose requests they pass on.
    let forwarding: ForwardedHeader

    public init(policy: UpgradePolicy, forwarding: ForwardedHeader = .xForwarded) {
        self.policy = policy
        self.forwarding = forwarding
    }

    /// - Parameters:
    ///   - head: as the decoder made it of whatever a peer sent.
    ///   - connection: the one that it came on.
    func verdict(on head: HTTPRequestHead, from connection: AcceptedConnection) -> Verdict {
        let hosts = head.headers["host"]
        // HTTP/1.0 needs none (RFC 9112, section 3.2).
        guard hosts.count == 1 || (hosts.isEmpty && head.version == .http1_0) else {
            return .refuse(.badRequest("A request has one Host header, not \(hosts.count) (RFC 9112)."))
        }
        var host = hosts.first.flatMap { HTTPAuthority(parsing: $0) }
        guard host != nil || hosts.isEmpty else {
            return .refuse(.badRequest("The Host header is a host and perhaps a port, such as 'push.example:8080'."))
        }
        var head = head
        switch Self.target(of: head) {
        case .path: break
        case .absolute(let authority, let path):
            // The target's host is the one that is asked for (RFC 9112, section 3.2.2).
            host = HTTPAuthority(parsing: authority)
            head.headers.replaceOrAdd(name: "host", value: authority)
            head.uri = path
        case .refused(let refusal): return .refuse(refusal)
        }
        let asked = AskedRequest(head, host: host, connection: connection, forwarding: forwarding)
        if WebSocketHandshake.isAsked(by: head) {
            return policy.verdict(on: head, asked: asked)
        }
        let isGuarded =
            policy.tokensAreUnproven && Self.mayBeDevelopment(head.uri) || Self.mayBeAPI(head.uri)
            || policy.service(at: head.uri.prefix { $0 != "?" }) != nil
        if isGuarded, let refusal = policy.refusal(ofPages: head, asked: asked) { return .refuse(refusal) }
        return .serve(head, isLast: Self.isLast(head))
    }

    /// The forms of a request target (RFC 9112, section 3.2).
    private enum Target {
        case path
        case absolute(authority: String, path: String)
        case refused(RequestRefusal)
    }

    private static func target(of head: HTTPRequestHead) -> Target {
        if head.method == .CONNECT {
            return .refused(
                RequestRefusal(status: .notImplemented, text: "CONNECT is for proxies, and this is none."))
        }
        let target = head.uri
        if target.hasPrefix("/") || (target == "*" && head.method == .OPTIONS) { return .path }
        let rest: Substring
        if let separator = target.firstRange(of: "://"),
            ["http", "https"].contains(target[..<separator.lowerBound].lowercased())
        {
            rest = target[separator.upperBound...]
        } else {
            return .refused(.badRequest("A request's target is a path or an http URL (RFC 9112)."))
        }
        let authority = rest.prefix { !"/?#".contains($0) }
        guard HTTPAuthority(parsing: authority) != nil else {
            return .refused(.badRequest("The URL in the request has no valid host (RFC 9110)."))
        }
        let path = rest[authority.endIndex...]
        let isRoot = !path.hasPrefix("/")
        return .absolute(authority: String(authority), path: isRoot ? "/\(path)" : String(path))
    }

    /// Whether a target may be one of development mode. The router leaves out empty segments, so it is enough that one
    /// of them is `dev`, or the one of earlier pages.
    private static func mayBeDevelopment(_ target: String) -> Bool {
        target.prefix { $0 != "?" }.split(separator: "/").contains { $0 == "dev" || $0 == Routes.earlierPagesPath }
    }

    /// Whether a path may be one of `HTTPAPI`'s, by any of its segments.
    private static func mayBeAPI(_ target: String) -> Bool {
        target.prefix { $0 != "?" }.split(separator: "/").contains("api")
    }

    /// Whether no request can follow on the connection, by the head or because NIO's decoder ends at it: it reads
    /// nothing behind a request for an upgrade, whatever protocol it names. Of HTTP/1.0 each has a connection of its
    /// own.
    private static func isLast(_ head: HTTPRequestHead) -> Bool {
        !head.isKeepAlive || head.version == .http1_0 || head.headers.contains(name: "upgrade")
    }
}
