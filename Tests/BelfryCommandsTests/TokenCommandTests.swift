import Foundation
import Authentication
import JWTAuthentication
import Testing

@testable import BelfryCommands

/// `belfry token` and the gateway agree.
struct TokenCommandTests {
    private let secret = "a secret of at least thirty-two bytes"

    @Test func aTokenMadeHereIsAcceptedByTheGateway() async throws {
        let expiresAt = Date(timeIntervalSince1970: (Date().timeIntervalSince1970 + 60).rounded(.down))
        let token = try await TokenCommand.token(
            user: "alice", expiresAt: expiresAt, secret: secret, issuer: "issuer", audience: "belfry")
        let keys = try await JWTKeys.secret(secret)
        let identity = try JWTAuthenticator(keys: keys, issuer: "issuer", audience: "belfry").verify(token)
        #expect(identity == Identity(user: "alice", expiresAt: expiresAt))
        #expect(throws: AuthenticationError.self) {
            try JWTAuthenticator(keys: keys, issuer: "other", audience: nil).verify(token)
        }
    }

    @Test func aTokenCarriesTheRightsThatItIsMadeWith() async throws {
        let token = try await TokenCommand.token(
            user: "alice", expiresAt: Date().addingTimeInterval(60), secret: secret, issuer: nil, audience: nil,
            subscribe: ["/topic/a"], send: ["/user/**"])
        let keys = try await JWTKeys.secret(secret)
        let rights = try JWTAuthenticator(keys: keys, issuer: nil, audience: nil).verify(token).rights
        #expect(rights.maySubscribe(to: "/topic/a") && !rights.maySubscribe(to: "/topic/b"))
        #expect(rights.maySend(to: "/user/bob/queue/msg") && !rights.maySend(to: "/topic/a"))
    }

    @Test func aShortSecretIsRefused() async {
        await #expect(throws: JWTKeysError.self) {
            try await TokenCommand.token(
                user: "alice", expiresAt: Date(), secret: "short", issuer: nil, audience: nil)
        }
    }
}
