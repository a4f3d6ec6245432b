import TestSupport
import Testing

/// Where pages may connect from while a token is no more than a user's id.
@Suite struct OriginTests {
    @Test(arguments: ["https://evil.example", "null", "http://localhost:80@evil.example", "http://localhost.evil.com"])
    func aPageFromElsewhereDoesNotSpeakForTheUser(_ origin: String) async throws {
        try await Installation.with { belfry async throws in
            await #expect(throws: WebSocketClient.Refused.self) {
                try await WebSocketClient.connect(port: belfry.port, origin: origin)
            }
            let own = try await WebSocketClient.connect(port: belfry.port, origin: "http://localhost:\(belfry.port)")
            await own.abort()
        }
    }

    @Test func aNameThatWasMadeToStandForThisMachineDoesNotLeadIn() async throws {
        try await Installation.with { belfry async throws in
            let handshake =
                "GET /ws HTTP/1.1\r\nHost: evil.example:\(belfry.port)\r\nOrigin: http://localhost\r\n"
                + "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                + "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            #expect(try await RawHTTP.exchange(port: belfry.port, handshake).hasPrefix("HTTP/1.1 403 "))
            let info = "GET /dev/info HTTP/1.1\r\nHost: evil.example\r\n\r\n"
            #expect(try await RawHTTP.exchange(port: belfry.port, info).hasPrefix("HTTP/1.1 403 "))
        }
    }
}
