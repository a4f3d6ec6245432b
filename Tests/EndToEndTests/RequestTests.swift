import BelfryModel
import Foundation
import STOMP
import TestSupport
import Testing

/// HTTP/1.1 and the handshake of RFC 6455 on a real socket, where a conformance suite looks.
@Suite struct RequestTests {
    private static let live = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
    private static let lastLive = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    /// A handshake; `change` has a part of it and what stands in its place.
    private static func handshake(_ change: (String, String)...) -> String {
        change.reduce(
            "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ) { $0.replacing($1.0, with: $1.1) }
    }

    /// The statuses of all answers, in their order.
    private func statuses(_ answers: String) -> [String] {
        answers.matches(of: #/HTTP/1\.1 (\d\d\d) /#).map { String($0.1) }
    }

    private func statuses(_ belfry: Installation, _ requests: String) async throws -> [String] {
        statuses(try await RawHTTP.exchange(port: belfry.port, requests))
    }

    @Test func anotherVersionIsAnsweredWithTheOneThatIsServed() async throws {
        try await Installation.with { belfry async throws in
            for version in ["", "Sec-WebSocket-Version: 8\r\n"] {
                let answer = try await RawHTTP.exchange(
                    port: belfry.port, Self.handshake(("Sec-WebSocket-Version: 13\r\n", version)))
                #expect(answer.hasPrefix("HTTP/1.1 426 Upgrade Required\r\n"))
                #expect(answer.contains("Sec-WebSocket-Version: 13\r\n"))
                #expect(answer.contains("Upgrade: websocket\r\n") && answer.contains("Connection: upgrade, close\r\n"))
            }
        }
    }

    @Test func aKeyIsSixteenBytesInBase64() async throws {
        try await Installation.with { belfry async throws in
            for key in ["aaaaaaaaaaaaaaaaaaaaaaaa", "!!!!!!!!!!!!!!!!!!!!!!==", "dGhlIHNhbXBsZSBub25jZQ"] {
                let request = Self.handshake(("dGhlIHNhbXBsZSBub25jZQ==", key))
                #expect(try await statuses(belfry, request) == ["400"])
            }
            #expect(
                try await RawHTTP.exchange(port: belfry.port, Self.handshake(), within: .milliseconds(500))
                    .hasPrefix("HTTP/1.1 101 "))
        }
    }

    @Test(arguments: ["", "Host: a\r\nHost: a\r\n", "Host: a b\r\n", "Host: u@a\r\n"])
    func aRequestHasOneValidHost(_ hosts: String) async throws {
        try await Installation.with { belfry async throws in
            let faulty = Self.live.replacing("Host: localhost\r\n", with: hosts)
            #expect(try await statuses(belfry, faulty) == ["400"])
            #expect(try await statuses(belfry, Self.live + faulty + Self.live) == ["200", "400"])
            #expect(try await statuses(belfry, Self.handshake(("Host: localhost\r\n", hosts))) == ["400"])
            #expect(try await statuses(belfry, "GET /health/live HTTP/1.0\r\n\r\n") == ["200"])
        }
    }

    @Test func anUpgradeThatIsNotServedEndsTheConnectionBehindItsAnswer() async throws {
        try await Installation.with { belfry async throws in
            let upgrade = Self.live.replacing(
                "\r\n\r\n",
                with: "\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n")
            for requests in [upgrade, upgrade + Self.live] {
                let began = ContinuousClock.now
                let answer = try await RawHTTP.exchange(port: belfry.port, requests)
                #expect(statuses(answer) == ["200"])
                #expect(answer.lowercased().contains("connection: close\r\n"))
                // The end of the answer is the server's, not that of our patience.
                #expect(ContinuousClock.now - began < .milliseconds(2_900))
            }
        }
    }

    @Test func aURLIsServedAsItsPath() async throws {
        try await Installation.with { belfry async throws in
            let url = "http://localhost:\(belfry.port)"
            let first = Self.live.replacing("/health", with: url + "/health")
            let last = Self.lastLive.replacing("/health", with: url + "/health")
            #expect(try await statuses(belfry, first + Self.live + last) == ["200", "200", "200"])
            let handshake = Self.handshake(("/ws", url + "/ws"))
            #expect(
                try await RawHTTP.exchange(port: belfry.port, handshake, within: .milliseconds(500))
                    .hasPrefix("HTTP/1.1 101 "))
            #expect(try await statuses(belfry, Self.live + handshake) == ["200", "307"])
        }
    }

    /// A byte now and then holds no connection: not before the answer, and not behind one.
    @Test func aRequestHasOneDeadline() async throws {
        var limits = Limits()
        limits.requestTimeout = .milliseconds(300)
        try await Installation.with(limits: limits) { belfry async throws in
            let body = "POST /health/live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"
            let answer = try await RawHTTP.exchange(port: belfry.port, body)
            #expect(["404", "405", "408"].contains(statuses(answer).first))
            #expect(answer.lowercased().contains("connection: close\r\n"))
        }
    }

    @Test func requestsThatCouldBeReadInTwoWaysAreRefused() async throws {
        try await Installation.with { belfry async throws in
            for headers in [
                "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                "Transfer-Encoding: gzip\r\n", "Content-Length: +5\r\n", "Content-Length : 5\r\n",
                "X: a\r\n b\r\nContent-Length: 5, 5\r\n", "Transfer-Encoding: chunked, gzip\r\n",
            ] {
                let request = "POST /health/live HTTP/1.1\r\nHost: localhost\r\n\(headers)\r\n0\r\n\r\n" + Self.live
                let found = try await statuses(belfry, request)
                #expect(found == ["400"], "\(headers)")
            }
        }
    }

    @Test func aHeadThatIsTooLongIsRefused() async throws {
        try await Installation.with { belfry async throws in
            let long = Self.live.replacing("\r\n\r\n", with: "\r\nX: \(String(repeating: "x", count: 100_000))\r\n\r\n")
            #expect(try await statuses(belfry, long) == ["431"])
            #expect(try await statuses(belfry, Self.live + long) == ["200", "431"])
        }
    }

    @Test func nothingIsServedBehindARefusedHandshake() async throws {
        try await Installation.with { belfry async throws in
            let refused = Self.handshake(("/ws", "/elsewhere"))
            #expect(try await statuses(belfry, refused + Self.live + refused) == ["404"])
            #expect(try await statuses(belfry, Self.handshake(("Connection: Upgrade", "X: y")) + Self.live) == ["400"])
        }
    }

    /// What the router finds by a path is a page of the program's, or nothing.
    @Test(arguments: [
        "/../etc/passwd", "/stomp.js/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/..%2f..%2fetc%2fpasswd",
        "/stomp.js%00.html", "//etc/passwd", "/./stomp.js", "/\\..\\etc\\passwd", "/stomp.js/", "/%73tomp.js/%2e",
    ])
    func aPathLeadsNowhereElse(_ path: String) async throws {
        try await Installation.with { belfry async throws in
            let answer = try await RawHTTP.exchange(
                port: belfry.port, "GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            #expect(!answer.contains("root:"))
            let isPage = answer.hasPrefix("HTTP/1.1 200 ") && answer.contains("STOMP 1.2 over WebSocket for browsers")
            #expect(isPage || ["400", "404"].contains(statuses(answer).first), "\(answer.prefix(200))")
        }
    }

    @Test func aBearerTokenMayHaveBlanksAroundIt() async throws {
        try await Installation.with { belfry async throws in
            let client = STOMPClient(try await WebSocketClient.connect(port: belfry.port))
            try await client.send(
                Frame(.connect, ["accept-version": "1.2", "host": "x", "Authorization": "Bearer   alice \t"]))
            #expect(try await client.next("CONNECTED").headers["user-name"] == "alice")
        }
    }
}
