import NIOHTTP1
import Testing

@testable import HTTPServer

@Suite("UpgradePolicy")
struct UpgradePolicyTests {
    private static let open = UpgradePolicy(allowedOrigins: [])
    private static let strict = UpgradePolicy(allowedOrigins: ["https://app.example"])
    private static let development = UpgradePolicy(allowedOrigins: [], tokensAreUnproven: true, isOnLoopback: true)
    private static let beyond = UpgradePolicy(allowedOrigins: [], tokensAreUnproven: true)

    /// What the policy says of a handshake in which some headers are others; an empty value leaves one out.
    private func refusal(
        _ policy: UpgradePolicy, path: String = "/ws", host: String = "localhost:8080",
        _ changed: KeyValuePairs<String, String> = [:], isSecure: Bool? = nil
    ) -> RequestRefusal? {
        var headers = HTTPHeaders([
            ("Host", host), ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ])
        for (name, _) in changed { headers.remove(name: name) }
        for (name, value) in changed where !value.isEmpty { headers.add(name: name, value: value) }
        let verdict = policy.verdict(
            on: HTTPRequestHead(version: .http1_1, method: .GET, uri: path, headers: headers),
            asked: AskedRequest(client: nil, host: HTTPAuthority(parsing: host), isSecure: isSecure))
        return if case .refuse(let refusal) = verdict { refusal } else { nil }
    }

    @Test("Only the STOMP endpoint upgrades", arguments: ["/", "/ws/", "/WS", "/wss", "/dev/ws", "", "/ws/x"])
    func paths(_ path: String) {
        #expect(refusal(Self.open, path: path)?.status == .notFound)
        #expect(refusal(Self.strict, path: path, ["Origin": "https://app.example"])?.status == .notFound)
        #expect(refusal(Self.open, path: "/ws?" + path) == nil)
    }

    @Test(
        "Pages of the host that is asked for may connect, whoever ends TLS",
        arguments: [
            ("app.example", "https://app.example"), ("app.example", "http://app.example"),
            ("app.example:443", "https://app.example"), ("app.example", "https://app.example:443"),
            ("APP.example", "https://app.EXAMPLE"), ("localhost:8080", "http://localhost:8080"),
            ("[::1]:8080", "http://[::1]:8080"),
        ])
    func sameHost(_ host: String, origin: String) {
        for policy in [Self.open, Self.strict] {
            #expect(refusal(policy, host: host, ["Origin": origin]) == nil)
        }
    }

    @Test(
        "Other pages may not",
        arguments: [
            ("app.example", "https://evil.example"), ("app.example", "null"),
            ("app.example", "https://sub.app.example"),
            ("app.example", "https://app.example:8443"), ("app.example:8080", "http://app.example"),
            ("app.example:443", "http://app.example"), ("app.example", "https://app.example.evil.example"),
            ("app.example", "https://app.example@evil.example"), ("app.example", "file://app.example"),
            ("app.example", "https://app.example/"), ("app.example", " "),
        ])
    func otherHosts(_ host: String, origin: String) {
        #expect(refusal(Self.open, host: host, ["Origin": origin])?.status == .forbidden)
    }

    @Test("Where it is known how the request was made, the page's scheme has to be the same")
    func schemes() {
        let page: KeyValuePairs = ["Origin": "http://app.example"]
        #expect(refusal(Self.open, host: "app.example", page, isSecure: false) == nil)
        #expect(refusal(Self.open, host: "app.example", page, isSecure: true)?.status == .forbidden)
        #expect(
            refusal(Self.open, host: "app.example", ["Origin": "https://app.example"], isSecure: false)?.status
                == .forbidden)
    }

    @Test("Any page may, where the operator says so; programs send no origin")
    func anyOrigin() {
        let any = UpgradePolicy(allowedOrigins: ["*"])
        #expect(refusal(Self.open) == nil)
        for origin in ["https://evil.example", "null", "chrome-extension://abc"] {
            #expect(refusal(any, ["Origin": origin]) == nil)
        }
    }

    @Test("A page of another host must be on the list, exactly")
    func listedOrigins() {
        #expect(refusal(Self.strict, ["Origin": "https://app.example"]) == nil)
        for origin in [
            "http://app.example", "https://app.example.evil.example", "https://app.example:8443", "null", " ",
            "https://sub.app.example",
        ] {
            #expect(refusal(Self.strict, ["Origin": origin])?.status == .forbidden)
        }
    }

    @Test(
        "While tokens prove nothing, pages of this machine may connect",
        arguments: [
            "http://localhost", "http://localhost:3000", "https://127.0.0.1:8443", "http://[::1]:8080",
            "http://127.0.0.2", "HTTP://LOCALHOST",
        ])
    func ownPages(_ origin: String) {
        #expect(refusal(Self.development, ["Origin": origin]) == nil)
        #expect(refusal(Self.beyond, ["Origin": origin]) == nil)
    }

    @Test(
        "While tokens prove nothing, no other page may, whatever its origin looks like",
        arguments: [
            "https://evil.example", "null", "http://localhost:80@evil.example", "http://localhost.evil.com",
            "http://localhost@evil.example", "http://evil.example/http://localhost", "http://localhost/",
            "http://localhost http://evil.example", "localhost", "://localhost", "http://localhost:", "http://[::1",
            "http://[::1].evil.com", "http://127.0.0.1.evil.com", "http://127.evil.com", "http://localhost:80:90",
            "http://localhost:99999", "http://evil.example#localhost", "http://x:y@localhost", "",
        ])
    func otherPages(_ origin: String) {
        // A header with nothing in it is one all the same.
        let changed: KeyValuePairs = ["Origin": origin.isEmpty ? " " : origin]
        #expect(refusal(Self.development, changed)?.status == .forbidden)
        #expect(refusal(Self.beyond, changed)?.status == .forbidden)
    }

    @Test("Two origins are refused, whatever they are")
    func twoOrigins() {
        let two: KeyValuePairs = ["Origin": "http://localhost", "origin": "https://evil.example"]
        for policy in [Self.open, Self.strict, Self.development, Self.beyond] {
            #expect(refusal(policy, two)?.status == .badRequest)
        }
    }

    @Test("A name that was made to stand for this machine does not lead in", arguments: ["evil.example:8080", "a"])
    func rebinding(_ host: String) {
        #expect(refusal(Self.development, host: host)?.status == .forbidden)
        #expect(refusal(Self.development, host: host, ["Origin": "http://localhost"])?.status == .forbidden)
        // Where others reach the node by names of its own, only the origin tells.
        #expect(refusal(Self.beyond, host: host) == nil)
        #expect(refusal(Self.beyond, host: host, ["Origin": "http://\(host)"])?.status == .forbidden)
        let listed = UpgradePolicy(allowedOrigins: ["http://app.example"], tokensAreUnproven: true)
        #expect(refusal(listed, host: host, ["Origin": "http://app.example"]) == nil)
        #expect(refusal(listed, host: host, ["Origin": "http://\(host)"])?.status == .forbidden)
    }

    @Test("A version that is not served is answered with the one that is", arguments: ["", "8", "14", "13, 8", "013"])
    func versions(_ version: String) throws {
        let refusal = try #require(
            self.refusal(Self.open, ["Sec-WebSocket-Version": version, "Sec-WebSocket-Key": ""]))
        #expect(refusal.status == .upgradeRequired)
        #expect(refusal.head.headers["sec-websocket-version"] == ["13"])
        #expect(refusal.head.headers["upgrade"] == ["websocket"])
        #expect(refusal.head.headers[canonicalForm: "connection"] == ["upgrade", "close"])
    }

    @Test(
        "A key is 16 bytes in base64",
        arguments: [
            "", "x", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=a",
            "aaaaaaaaaaaaaaaaaaaaaaaa", "!!!!!!!!!!!!!!!!!!!!!!==", "dGhlIHNhbXBsZSBub25jZ===", "====", "éééééééééééé",
        ])
    func keys(_ key: String) {
        #expect(refusal(Self.open, ["Sec-WebSocket-Key": key])?.status == .badRequest)
    }

    @Test("Any 16 bytes make a key")
    func goodKeys() {
        for key in ["AAAAAAAAAAAAAAAAAAAAAA==", "+/zZ09+/zZ09+/zZ09+/zQ==", "dGhlIHNhbXBsZSBub25jZR=="] {
            #expect(refusal(Self.open, ["Sec-WebSocket-Key": key]) == nil)
        }
        let two: KeyValuePairs = [
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
        ]
        #expect(refusal(Self.open, two)?.status == .badRequest)
    }

    @Test("A refusal is of bounded length")
    func length() {
        let long = String(repeating: "x", count: 100_000)
        #expect((refusal(Self.open, path: long)?.text.count ?? 0) < 400)
        #expect((refusal(Self.strict, ["Origin": long])?.text.count ?? 0) < 400)
        #expect((refusal(Self.development, host: long)?.text.count ?? 0) < 400)
    }

    @Test("The subprotocol is answered when it is one of ours")
    func subprotocols() {
        #expect(Self.open.subprotocol(offered: []) == nil)
        #expect(Self.open.subprotocol(offered: ["v12.stomp"]) == "v12.stomp")
        #expect(Self.open.subprotocol(offered: ["v10.stomp", "v11.stomp", "v12.stomp"]) == "v12.stomp")
        #expect(Self.open.subprotocol(offered: ["v10.stomp", "v11.stomp"]) == "v11.stomp")
        #expect(Self.open.subprotocol(offered: ["chat", "v10.stomp"]) == "v10.stomp")
        #expect(Self.open.subprotocol(offered: ["chat", "V12.STOMP"]) == nil)
    }
}
