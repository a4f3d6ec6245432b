import Testing

@testable import Gateway

@Suite("UpgradePolicy")
struct UpgradePolicyTests {
    private static let open = UpgradePolicy(allowedOrigins: [])
    private static let strict = UpgradePolicy(allowedOrigins: ["https://app.example"])

    @Test("Only the STOMP endpoint upgrades", arguments: ["/", "/ws/", "/WS", "/wss", "/dev/ws", "", "/ws/x"])
    func paths(_ path: String) {
        #expect(Self.open.refusal(path: path, origin: nil)?.status == .notFound)
        #expect(Self.strict.refusal(path: path, origin: "https://app.example")?.status == .notFound)
    }

    @Test("Without a list every origin may connect, and so may who has none")
    func anyOrigin() {
        #expect(Self.open.refusal(path: "/ws", origin: nil) == nil)
        #expect(Self.open.refusal(path: "/ws", origin: "https://evil.example") == nil)
        #expect(Self.open.refusal(path: "/ws", origin: "null") == nil)
    }

    @Test("With a list a page must be on it, exactly; programs send no origin")
    func listedOrigins() {
        #expect(Self.strict.refusal(path: "/ws", origin: "https://app.example") == nil)
        #expect(Self.strict.refusal(path: "/ws", origin: nil) == nil)
        for origin in [
            "http://app.example", "https://app.example.evil.example", "https://app.example:8443", "null", "",
            "https://sub.app.example",
        ] {
            #expect(Self.strict.refusal(path: "/ws", origin: origin)?.status == .forbidden)
        }
    }

    @Test("A refusal is of bounded length")
    func length() {
        let long = String(repeating: "x", count: 100_000)
        #expect((Self.open.refusal(path: long, origin: nil)?.text.count ?? 0) < 400)
        #expect((Self.strict.refusal(path: "/ws", origin: long)?.text.count ?? 0) < 400)
    }

    @Test("The subprotocol is answered when it is one of ours")
    func subprotocols() {
        #expect(Self.open.subprotocol(offered: []) == nil)
        #expect(Self.open.subprotocol(offered: ["v12.stomp"]) == "v12.stomp")
        #expect(Self.open.subprotocol(offered: ["v10.stomp", "v11.stomp", "v12.stomp"]) == "v12.stomp")
        #expect(Self.open.subprotocol(offered: ["v10.stomp", "chat"]) == nil)
    }
}
