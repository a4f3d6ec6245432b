import Listening
import NIOHTTP1
import Testing

@testable import HTTPServer

@Suite("RequestRules")
struct RequestRulesTests {
    private static let open = RequestRules(policy: UpgradePolicy(allowedOrigins: []))
    private static let development = RequestRules(
        policy: UpgradePolicy(allowedOrigins: [], tokensAreUnproven: true, isOnLoopback: true))

    private func verdict(
        _ target: String, _ method: HTTPMethod = .GET, version: HTTPVersion = .http1_1, rules: RequestRules = open,
        headers: [(String, String)] = [("Host", "x")]
    ) -> RequestRules.Verdict {
        rules.verdict(
            on: HTTPRequestHead(version: version, method: method, uri: target, headers: HTTPHeaders(headers)),
            from: AcceptedConnection(address: nil))
    }

    private func refused(_ verdict: RequestRules.Verdict) -> UInt? {
        if case .refuse(let refusal) = verdict { refusal.status.code } else { nil }
    }

    private func served(_ verdict: RequestRules.Verdict) -> (head: HTTPRequestHead, isLast: Bool)? {
        if case .serve(let head, let isLast) = verdict { (head, isLast) } else { nil }
    }

    @Test(
        "A request of HTTP/1.1 has one valid Host",
        arguments: [
            [], [("Host", "a"), ("Host", "a")], [("Host", "a"), ("host", "b")], [("Host", "")], [("Host", "a b")],
            [("Host", "a/b")], [("Host", "u@a")], [("Host", "a, b:c")],
        ] as [[(String, String)]])
    func hosts(_ headers: [(String, String)]) {
        #expect(refused(verdict("/health/live", headers: headers)) == 400)
        #expect(refused(verdict("http://x/health/live", headers: headers)) == 400)
        let handshake = [("Upgrade", "websocket"), ("Connection", "Upgrade")]
        #expect(refused(verdict("/ws", headers: headers + handshake)) == 400)
    }

    @Test("One of HTTP/1.0 may have none, and is its connection's last")
    func oldVersion() {
        #expect(served(verdict("/", version: .http1_0, headers: []))?.isLast == true)
        #expect(served(verdict("/", version: .http1_0, headers: [("Connection", "keep-alive")]))?.isLast == true)
        #expect(refused(verdict("/", version: .http1_0, headers: [("Host", "a"), ("Host", "b")])) == 400)
    }

    @Test(
        "A URL is served as its path, and its host is the one that counts",
        arguments: [
            ("http://push.example:8080/health/live", "/health/live", "push.example:8080"),
            ("HTTPS://a/b?c=d", "/b?c=d", "a"), ("http://a", "/", "a"), ("http://a?b", "/?b", "a"),
            ("http://[::1]:80/x", "/x", "[::1]:80"), ("http://a//b", "//b", "a"),
        ])
    func absoluteForm(_ target: String, path: String, host: String) {
        let head = served(verdict(target))?.head
        #expect(head?.uri == path)
        #expect(head?.headers["host"] == [host])
    }

    @Test(
        "A target that is neither a path nor a URL of http is refused",
        arguments: [
            "x", "*", "ftp://a/b", "ws://a/ws", "http:///x", "http://u@a/x", "http://a:b/", "a:80", "http:a", "",
        ])
    func targets(_ target: String) {
        #expect(refused(verdict(target)) == 400)
    }

    @Test("OPTIONS may be about the server as a whole, and CONNECT is for proxies")
    func methods() {
        #expect(served(verdict("*", .OPTIONS)) != nil)
        #expect(refused(verdict("a:443", .CONNECT)) == 501)
    }

    @Test("What NIO's decoder ends at, or the peer, is its connection's last request")
    func lastRequests() {
        let host = [("Host", "x")]
        #expect(served(verdict("/", headers: host))?.isLast == false)
        #expect(served(verdict("/", headers: host + [("Upgrade", "h2c"), ("Connection", "Upgrade")]))?.isLast == true)
        let close = HTTPRequestHead(
            version: .http1_1, method: .GET, uri: "/",
            headers: HTTPHeaders(host + [("Connection", "TE, Close")]))
        #expect(served(Self.open.verdict(on: close, from: AcceptedConnection(address: nil)))?.isLast == true)
    }

    private static let mounted: RequestRules = {
        var policy = UpgradePolicy(allowedOrigins: ["https://app.example"])
        policy.services = [MountedService(prefix: "/mounted") { $0 == "/socket" ? .framed : nil }]
        return RequestRules(policy: policy)
    }()

    @Test(
        "A mounted service is for pages that may connect, whatever the method and the mode",
        arguments: [HTTPMethod.GET, .POST, .OPTIONS])
    func mountedPages(_ method: HTTPMethod) {
        func asks(_ path: String, _ origin: String) -> RequestRules.Verdict {
            verdict(path, method, rules: Self.mounted, headers: [("Host", "push.example"), ("Origin", origin)])
        }
        for path in ["/mounted", "/mounted/", "/mounted/socket", "/mounted/a/b?c=d"] {
            #expect(served(asks(path, "https://app.example")) != nil)
            #expect(served(asks(path, "https://push.example")) != nil)
            for origin in ["https://evil.example", "null"] { #expect(refused(asks(path, origin)) == 403) }
            #expect(served(verdict(path, method, rules: Self.mounted)) != nil)
        }
        #expect(served(asks("/mountedx", "https://evil.example")) != nil)
    }

    @Test("It takes a WebSocket where it says, and answers all else by itself")
    func mountedHandshakes() {
        let handshake = [
            ("Host", "x"), ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ]
        guard case .upgrade(let accepted) = verdict("/mounted/socket?a", rules: Self.mounted, headers: handshake) else {
            Issue.record("the handshake is not let in")
            return
        }
        #expect(accepted.endpoint == .mounted(prefix: "/mounted", isRaw: false))
        let evil = [("Origin", "https://evil.example")]
        #expect(refused(verdict("/mounted/socket", rules: Self.mounted, headers: handshake + evil)) == 403)
        #expect(refused(verdict("/mounted/other", rules: Self.mounted, headers: handshake + evil)) == 403)
        #expect(served(verdict("/mounted/other", rules: Self.mounted, headers: handshake))?.isLast == true)
        #expect(served(verdict("/mounted/socket", .POST, rules: Self.mounted, headers: handshake))?.isLast == true)
        #expect(refused(verdict("/mounted/socket", rules: Self.mounted, headers: Array(handshake.prefix(3)))) == 426)
    }

    @Test(
        "What exists in development mode is for this machine only",
        arguments: ["/dev/info", "/dev/notify?x", "//dev/info", "/dev//info", "/./dev/x", "//x/dev/info"])
    func developmentPaths(_ path: String) {
        let local = ("Host", "localhost:8080")
        #expect(served(verdict(path, rules: Self.development, headers: [local])) != nil)
        #expect(
            served(verdict(path, rules: Self.development, headers: [local, ("Origin", "http://localhost:8080")])) != nil
        )
        #expect(
            refused(verdict(path, rules: Self.development, headers: [local, ("Origin", "http://evil.example")])) == 403)
        #expect(refused(verdict(path, rules: Self.development, headers: [("Host", "evil.example:8080")])) == 403)
        #expect(refused(verdict("http://evil.example" + path, rules: Self.development, headers: [local])) == 403)
        #expect(refused(verdict(path, version: .http1_0, rules: Self.development, headers: [])) == 403)
        #expect(served(verdict(path, headers: [("Host", "evil.example")])) != nil)
        #expect(served(verdict("/health/live", rules: Self.development, headers: [("Host", "evil.example")])) != nil)
    }
}
