import BelfryModel
import Listening
import Logging
import NIOHTTP1
import Testing

@testable import HTTPServer

/// Who a request is from, by what proxies say of it.
@Suite struct ForwardedHeaderTests {
    private static let gate = ConnectionGate(
        limits: Limits(),
        trusted: TrustedProxies(["10.0.0.0/8", "fd00::/8"].compactMap { AddressRange(parsing: $0) }),
        logger: Logger(label: "test"))
    private static let proxy = AcceptedConnection(address: IPAddress(parsing: "10.0.0.1"), gate: gate)

    private func asked(
        _ headers: [(String, String)], from address: String = "10.0.0.1", _ forwarding: ForwardedHeader = .xForwarded
    ) -> AskedRequest {
        AskedRequest(
            HTTPRequestHead(version: .http1_1, method: .GET, uri: "/ws", headers: HTTPHeaders(headers)),
            host: HTTPAuthority(parsing: "inner:8080"),
            connection: AcceptedConnection(address: IPAddress(parsing: address), gate: Self.gate),
            forwarding: forwarding)
    }

    @Test(
        "The client is the last address that no trusted proxy has",
        arguments: [
            (["192.0.2.7"], "192.0.2.7"), (["192.0.2.7, 10.1.2.3"], "192.0.2.7"),
            (["192.0.2.7", "10.1.2.3, fd00::9"], "192.0.2.7"), (["192.0.2.7:4711"], "192.0.2.7"),
            (["2001:db8::7"], "2001:db8::7"), (["[2001:db8::7]:4711"], "2001:db8::7"),
            (["::ffff:192.0.2.7"], "192.0.2.7"), (["10.1.2.3"], "10.1.2.3"),
            // What a client wrote before the proxy appended to it.
            (["127.0.0.1, 192.0.2.7"], "192.0.2.7"), (["10.9.9.9", "192.0.2.7"], "192.0.2.7"),
            (["1.1.1.1, 192.0.2.7, 10.1.2.3"], "192.0.2.7"), (["garbage, 192.0.2.7"], "192.0.2.7"),
            // Nothing is believed behind what is not understood.
            (["1.1.1.1, unknown, 10.1.2.3"], "10.1.2.3"), (["1.1.1.1,, 10.1.2.3"], "10.1.2.3"),
            ([""], "10.0.0.1"), (["192.0.2.7 1.1.1.1"], "10.0.0.1"), (["192.0.2.256"], "10.0.0.1"), ([], "10.0.0.1"),
            (["192.0.2.7%eth0"], "10.0.0.1"), (["0x7f.1"], "10.0.0.1"), (["[192.0.2.7"], "10.0.0.1"),
        ] as [([String], String)])
    func clients(_ values: [String], client: String) {
        let asked = asked(values.map { ("X-Forwarded-For", $0) })
        #expect(asked.client?.description == client)
    }

    @Test("Who is no trusted proxy tells nothing")
    func strangers() {
        let headers = [
            ("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-Host", "app.example"), ("X-Forwarded-Proto", "https"),
            ("Forwarded", "for=127.0.0.1;host=app.example;proto=https"),
        ]
        for forwarding in ForwardedHeader.allCases {
            let asked = asked(headers, from: "192.0.2.7", forwarding)
            #expect(asked.client?.description == "192.0.2.7")
            #expect(asked.host?.host == "inner" && asked.isSecure == nil)
        }
    }

    @Test("Of two ways to tell it, the one that the proxy does not use is the client's own")
    func otherWay() {
        let own = [("X-Forwarded-For", "192.0.2.7"), ("Forwarded", "for=127.0.0.1;host=evil.example")]
        #expect(asked(own).client?.description == "192.0.2.7")
        #expect(asked(own).host?.host == "inner")
        let other = [("X-Forwarded-For", "127.0.0.1"), ("Forwarded", "for=192.0.2.7")]
        #expect(asked(other, .forwarded).client?.description == "192.0.2.7")
    }

    @Test("Host and scheme are those that the nearest proxy tells")
    func hosts() {
        let told = asked([
            ("X-Forwarded-Host", "evil.example, app.example"), ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Proto", "https"),
        ])
        #expect(told.host?.host == "app.example" && told.isSecure == true)
        let garbage = asked([("X-Forwarded-Host", "a b"), ("X-Forwarded-Proto", "gopher")])
        #expect(garbage.host?.host == "inner" && garbage.isSecure == nil)
    }

    @Test(
        "Forwarded of RFC 7239",
        arguments: [
            ("for=192.0.2.43", "192.0.2.43", nil), ("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17", nil),
            ("for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60", nil),
            ("for=192.0.2.43, for=10.5.5.5", "192.0.2.43", nil), ("for=_hidden", "10.0.0.1", nil),
            ("for=unknown", "10.0.0.1", nil),
            ("for=\"192.0.2.43:80\"; host=\"app.example\"", "192.0.2.43", "app.example"),
            (
                "for=1.1.1.1;host=evil.example, for=192.0.2.43;host=app.example, for=10.5.5.5;host=x", "192.0.2.43",
                "app.example"
            ),
            // A quotation that is left open hides what the proxy appends; then nothing is known.
            ("for=\"1.1.1.1, for=192.0.2.43", "10.0.0.1", nil), ("for", "10.0.0.1", nil), ("=", "10.0.0.1", nil),
            ("for=1.1.1.1,", "10.0.0.1", nil), ("", "10.0.0.1", nil), ("for=\"1.1.1.1\\", "10.0.0.1", nil),
        ] as [(String, String, String?)])
    func forwarded(_ value: String, client: String, host: String?) {
        let asked = asked([("Forwarded", value)], .forwarded)
        #expect(asked.client?.description == client)
        #expect(asked.host?.host == host ?? "inner")
    }

    @Test("A page of the host that the proxy was asked for may connect")
    func pages() {
        let rules = RequestRules(policy: UpgradePolicy(allowedOrigins: []))
        func isLetIn(_ address: String) -> Bool {
            let headers = HTTPHeaders([
                ("Host", "inner:8080"), ("Connection", "Upgrade"), ("Upgrade", "websocket"),
                ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("Origin", "https://app.example"), ("X-Forwarded-Host", "app.example"),
                ("X-Forwarded-Proto", "https"), ("X-Forwarded-For", "192.0.2.7"),
            ])
            let verdict = rules.verdict(
                on: HTTPRequestHead(version: .http1_1, method: .GET, uri: "/ws", headers: headers),
                from: AcceptedConnection(address: IPAddress(parsing: address), gate: Self.gate))
            if case .upgrade(let handshake) = verdict { return handshake.client?.description == "192.0.2.7" }
            return false
        }
        #expect(isLetIn("10.0.0.1"))
        #expect(!isLetIn("192.0.2.9"))
    }

    @Test("Whatever stands there, it is read to its end")
    func garbage() {
        var generator = SystemRandomNumberGenerator()
        let alphabet = Array("for=host;,\"\\ []:.1a%_\t")
        for _ in 0..<2_000 {
            let text = String((0..<Int.random(in: 0...60, using: &generator)).map { _ in alphabet.randomElement()! })
            _ = asked([("Forwarded", text)], .forwarded)
            _ = asked([("X-Forwarded-For", text), ("X-Forwarded-Host", text)])
        }
    }
}
