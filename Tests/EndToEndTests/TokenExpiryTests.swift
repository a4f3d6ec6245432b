import Authentication
import BelfryModel
import Foundation
import STOMP
import TestBasics
import TestSupport
import Testing

/// Lets everybody in by their name, for a time.
private struct ShortLivedTokens: Authenticator {
    let seconds: Double

    func authenticate(_ credentials: Credentials) -> AuthenticationAnswer {
        .now(
            .success(
                Identity(user: credentials.tokenOrPasscode, expiresAt: Date(timeIntervalSinceNow: seconds))))
    }
}

@Suite struct TokenExpiryTests {
    /// Not one message after the token's end, nor what the node had kept for a client that did not read: the connection
    /// is cut instead, and what the client gets of it ended before.
    @Test func whatWaitsForASlowClientIsNotSentOnceItsTokenHasExpired() async throws {
        var limits = Limits()
        limits.outboundBytesMax = 64 * 1024 * 1024
        try await Installation.with(limits: limits, authenticator: ShortLivedTokens(seconds: 4)) { belfry in
            let client = try await belfry.connect("alice")
            try await client.subscribe("/user/queue/msg", receipt: "sub")
            try await client.socket.setReading(false)
            let payload = "\"" + String(repeating: "x", count: 40_000) + "\""
            // 12 MB: more than both sockets take; what is too much for them waits in the node.
            for _ in 0..<300 { try await belfry.application.notify("alice", payload) }
            let end = Date(timeIntervalSinceNow: 4.3)
            while Date() < end { try await Task.sleep(for: .milliseconds(50)) }
            try await client.socket.setReading(true)
            try await client.ended(within: .seconds(10))
            let frames = client.takeFrames()
            #expect(frames.contains { $0.command == .message }, "some were sent in time")
            #expect(!frames.contains { $0.command == .error }, "no farewell among what is cut off")
            #expect(frames.filter { $0.command == .message }.count < 300)
        }
    }

    @Test func aSessionThatReadsIsToldThatItsTokenHasExpired() async throws {
        try await Installation.with(authenticator: ShortLivedTokens(seconds: 1)) { belfry in
            let client = try await belfry.connect("alice")
            try await client.subscribe("/user/queue/msg", receipt: "sub")
            #expect(try await client.ended(within: .seconds(10)) == 4002)
            #expect(client.takeFrames().contains { $0.headers["message"] == CloseReason.tokenExpired.text })
        }
    }
}
