import BelfryModel
import Gateway
import Listening
import TestBasics
import TestSupport
import Testing

/// How many connections a node takes, and how fast.
@Suite struct ConnectionLimitTests {
    private static let get = "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

    private static func handshake(_ client: String) -> String {
        "GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            + "X-Forwarded-For: 127.0.0.1, \(client)\r\n\r\n"
    }

    private func open(_ port: Int, _ request: String) async throws -> (RawConnection, String) {
        let connection = try await RawConnection.open(port: port)
        try await connection.send(request)
        return (connection, try await connection.receive("\r\n\r\n"))
    }

    @Test func aFullNodeSaysSoAndTakesConnectionsAgain() async throws {
        var limits = Limits()
        limits.connectionsMax = 2
        try await Installation.with(limits: limits) { belfry in
            // Both are answered before another comes: connections that only wait may be taken in any order.
            let first = try await RawConnection.open(port: belfry.nodes[0].stompPort)
            try await first.send("CONNECT\naccept-version:1.2\nhost:x\ntoken:alice\n\n\0")
            try await first.receive("CONNECTED\n")
            let (second, held) = try await open(
                belfry.port, "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            #expect(held.hasPrefix("HTTP/1.1 200 "))
            try await eventually("a further one is told") {
                let (third, answer) = try await open(belfry.port, Self.get)
                try await third.ended(within: .seconds(3))
                await third.close()
                return answer.hasPrefix("HTTP/1.1 503 ") && answer.contains("Retry-After: 10\r\n")
            }
            let stomp = try await RawConnection.open(port: belfry.nodes[0].stompPort)
            try await stomp.ended(within: .seconds(3))
            #expect(stomp.text.isEmpty)
            await stomp.close()
            await first.close()
            await second.close()
            try await eventually("there is room again") {
                let (again, answer) = try await open(belfry.port, Self.get)
                await again.close()
                return answer.hasPrefix("HTTP/1.1 200 ")
            }
        }
    }

    @Test func connectionsThatComeTooFastAreTurnedAway() async throws {
        var limits = Limits()
        limits.connectionsPerSecondMax = 1
        try await Installation.with(limits: limits) { belfry in
            var statuses: [String] = []
            for _ in 0..<15 {
                let (connection, answer) = try await open(belfry.port, Self.get)
                statuses.append(String(answer.prefix(12)))
                await connection.close()
            }
            #expect(statuses.first == "HTTP/1.1 200" && statuses.last == "HTTP/1.1 503", "\(statuses)")
            #expect((10...13).contains(statuses.count { $0 == "HTTP/1.1 200" }), "\(statuses)")
        }
    }

    /// What a client writes into the header itself does not help it, and other clients of the proxy do not notice.
    @Test func aClientBehindATrustedProxyHasItsOwnLimits() async throws {
        var limits = Limits()
        limits.connectionsPerAddressPerSecondMax = 1
        try await Installation.with(
            limits: limits,
            configure: {
                $0.trustedProxies = TrustedProxies(["127.0.0.1"].compactMap { AddressRange(parsing: $0) })
            }
        ) { belfry in
            var answers: [String] = []
            for _ in 0..<15 {
                let (connection, answer) = try await open(belfry.port, Self.handshake("192.0.2.7"))
                answers.append(answer)
                await connection.close()
            }
            #expect(answers.first?.hasPrefix("HTTP/1.1 101 ") == true)
            let last = try #require(answers.last)
            #expect(last.hasPrefix("HTTP/1.1 429 ") && last.contains("Retry-After: 1\r\n"), "\(last)")
            let (other, answer) = try await open(belfry.port, Self.handshake("192.0.2.8"))
            #expect(answer.hasPrefix("HTTP/1.1 101 "))
            await other.close()
        }
    }

    @Test func aConnectionBringsSoManyRequests() async throws {
        var limits = Limits()
        limits.requestsPerConnectionMax = 3
        try await Installation.with(limits: limits) { belfry in
            let request = "GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n"
            let answers = try await RawHTTP.exchange(
                port: belfry.port, String(repeating: request, count: 5), within: .seconds(10))
            #expect(answers.matches(of: #/HTTP\/1\.1 200/#).count == 3)
            #expect(answers.lowercased().matches(of: #/connection: close\r\n/#).count == 1)
        }
    }
}
