import Authentication
import Foundation
import Testing

@testable import JWTAuthentication

/// `sub`, `exp`, `nbf`, `iss` and `aud` of tokens with a good signature.
struct ClaimTests {
    private func refusal(
        _ payload: String, issuer: String? = nil, audience: String? = nil, later: Double = 0
    ) async throws -> AuthenticationError? {
        let forge = try await TokenForge()
        let authenticator = TokenForge.authenticator(forge.keys, issuer: issuer, audience: audience, later: later)
        return await authenticator.refusal(of: try forge.token(payload))
    }

    @Test func aTokenEndsAtTheSecondOfItsExpiry() async throws {
        #expect(try await refusal(#"{"sub":"a","exp":1800000010}"#, later: 9.9) == nil)
        let expired = try #require(try await refusal(#"{"sub":"a","exp":1800000010}"#, later: 10))
        #expect(expired.code == .expired)
        #expect(expired.message == "The token has expired.")
        #expect(try await refusal(#"{"sub":"a","exp":1800000010}"#, later: 45)?.detail == "The token expired 35 s ago.")
        #expect(try await refusal(#"{"sub":"a","exp":-1}"#)?.code == .expired)
        #expect(try await refusal(#"{"sub":"a","exp":1800000000.5}"#) == nil)
    }

    @Test func aTokenWithoutExpiryDoesNotExpire() async throws {
        let forge = try await TokenForge()
        let identity = try TokenForge.authenticator(forge.keys).verify(forge.token(#"{"sub":"alice"}"#))
        #expect(identity == Identity(user: "alice", expiresAt: nil))
    }

    @Test func anExpiryMayBeDemanded() async throws {
        let forge = try await TokenForge()
        let authenticator = TokenForge.authenticator(forge.keys, requiresExpiry: true)
        let refusal = try #require(await authenticator.refusal(of: try forge.token(#"{"sub":"alice"}"#)))
        #expect(refusal.code == .claim)
        #expect(refusal.message == "The token has no 'exp' claim: tokens that never expire are not accepted here.")
        #expect(refusal.detail.contains("jwt.requireExpiry"))
        #expect(await authenticator.refusal(of: try forge.token(#"{"sub":"alice","exp":1800000010}"#)) == nil)
    }

    @Test func anAbsurdExpiryIsTheYear9999() async throws {
        let forge = try await TokenForge()
        let authenticator = TokenForge.authenticator(forge.keys)
        let identity = try authenticator.verify(forge.token(#"{"sub":"a","exp":1e300}"#))
        #expect(identity.expiresAt == Date(timeIntervalSince1970: 253_402_300_799))
        #expect(await authenticator.refusal(of: try forge.token(#"{"sub":"a","exp":-1e300}"#))?.code == .expired)
        #expect(await authenticator.refusal(of: try forge.token(#"{"sub":"a","nbf":1e300}"#))?.code == .notYetValid)
    }

    @Test func anIssuersClockMayRunThirtySecondsAhead() async throws {
        #expect(try await refusal(#"{"sub":"a","nbf":1800000030}"#) == nil)
        let early = try #require(try await refusal(#"{"sub":"a","nbf":1800000031}"#))
        #expect(early.code == .notYetValid)
        #expect(early.message == "The token is not valid yet.")
    }

    @Test func theIssuerIsCheckedWhereConfigured() async throws {
        let payload = #"{"sub":"a","iss":"https://issuer.example"}"#
        #expect(try await refusal(payload) == nil)
        #expect(try await refusal(payload, issuer: "https://issuer.example") == nil)
        let other = try #require(try await refusal(payload, issuer: "https://secret.internal"))
        #expect(other.code == .claim)
        #expect(!other.message.contains("internal"))
        #expect(other.detail.contains("https://secret.internal") && other.detail.contains("https://issuer.example"))
        #expect(try await refusal(#"{"sub":"a"}"#, issuer: "x")?.code == .claim)
    }

    @Test func theAudienceIsCheckedWhereConfigured() async throws {
        #expect(try await refusal(#"{"sub":"a","aud":"belfry"}"#, audience: "belfry") == nil)
        #expect(try await refusal(#"{"sub":"a","aud":["x","belfry"]}"#, audience: "belfry") == nil)
        for payload in [
            #"{"sub":"a","aud":["x"]}"#, #"{"sub":"a","aud":[]}"#, #"{"sub":"a"}"#, #"{"sub":"a","aud":"Belfry"}"#,
        ] {
            let other = try #require(try await refusal(payload, audience: "belfry"))
            #expect(other.code == .claim)
            #expect(!other.message.contains("belfry"))
        }
    }

    @Test(arguments: [
        "alice", "a", "user:42@example.com", "Zoë", "用户", String(repeating: "x", count: 255), "with space", "🔔",
    ])
    func theSubjectIsTheUser(subject: String) async throws {
        let forge = try await TokenForge()
        let identity = try TokenForge.authenticator(forge.keys).verify(
            forge.token(#"{"sub":"\#(subject)"}"#))
        #expect(identity.user == subject)
    }

    @Test(arguments: [
        #"{"sub":""}"#, #"{"sub":"a\u0000b"}"#, #"{"sub":"a\nb"}"#, #"{"sub":"\u0085"}"#, #"{"sub":"Zoe\u0308"}"#,
        #"{"sub":"\#(String(repeating: "x", count: 256))"}"#, #"{"sub":"\#(String(repeating: "é", count: 128))"}"#,
    ])
    func whatCanBeNoReceiverIsNoUser(payload: String) async throws {
        #expect(try await refusal(payload)?.code == .user)
    }

    @Test func aMissingSubjectIsNamed() async throws {
        #expect(try await refusal("{}")?.message == "The token has no 'sub' claim.")
    }

    @Test(arguments: [
        (#"{"sub":7}"#, "sub"), (#"{"sub":null}"#, "sub"), (#"{"sub":["alice"]}"#, "sub"),
        (#"{"sub":"a","exp":"1"}"#, "exp"),
        (#"{"sub":"a","exp":null}"#, "exp"), (#"{"sub":"a","exp":true}"#, "exp"), (#"{"sub":"a","nbf":{}}"#, "nbf"),
        (#"{"sub":"a","iss":1}"#, "iss"), (#"{"sub":"a","aud":[1]}"#, "aud"), (#"{"sub":"a","aud":{}}"#, "aud"),
    ])
    func aClaimOfTheWrongTypeIsNamed(payload: String, claim: String) async throws {
        let refusal = try #require(try await refusal(payload))
        #expect(refusal.code == .malformed)
        #expect(refusal.message == "The token's '\(claim)' claim has the wrong type.")
    }

    // MARK: Rights

    private func rights(_ payload: String) async throws -> Rights {
        let forge = try await TokenForge()
        return try TokenForge.authenticator(forge.keys).verify(forge.token(payload)).rights
    }

    @Test func aTokenThatSaysNothingOfRightsGivesEveryTopicAndNoSending() async throws {
        #expect(try await rights(#"{"sub":"a"}"#) == .standard)
    }

    @Test func rightsAreListsOfPatterns() async throws {
        let rights = try await rights(
            #"{"sub":"a","belfry.subscribe":["/topic/orders/*"],"belfry.send":["/user/*/queue/msg","/topic/chat"]}"#)
        #expect(rights.maySubscribe(to: "/topic/orders/7") && !rights.maySubscribe(to: "/topic/news"))
        #expect(rights.maySend(to: "/user/bob/queue/msg") && !rights.maySend(to: "/topic/orders/7"))
        #expect(try await !self.rights(#"{"sub":"a","belfry.subscribe":[]}"#).maySubscribe(to: "/topic/news"))
    }

    @Test(arguments: [
        ("true", OperatorRight.act), (#""act""#, .act), (#""view""#, .view), ("false", .none),
    ])
    func anOperatorMayLookOrAct(value: String, right: OperatorRight) async throws {
        #expect(try await rights(#"{"sub":"a","belfry.operator":\#(value)}"#).operatorRight == right)
    }

    @Test(arguments: ["null", "1", #""none""#, #""true""#, "[]", #""""#])
    func anOperatorsRightThatCannotBeReadRefusesTheToken(value: String) async throws {
        let refusal = try await refusal(#"{"sub":"a","belfry.operator":\#(value)}"#)
        #expect(refusal?.message.contains("'belfry.operator'") == true)
    }

    @Test(arguments: ["belfry.subscribe", "belfry.send"])
    func rightsThatCannotBeReadRefuseTheToken(claim: String) async throws {
        for value in [
            #""/topic/news""#, "null", "7", #"["/topic/news",7]"#, #"["topic"]"#, #"["/topic/n*"]"#,
            #"["/topic/**/x"]"#, "{}",
            "[" + repeatElement(#""/topic/a""#, count: Rights.patternsMax + 1).joined(separator: ",") + "]",
        ] {
            let refusal = try #require(try await refusal(#"{"sub":"a","\#(claim)":\#(value)}"#), "\(value)")
            #expect(refusal.message.contains("'\(claim)'"))
        }
    }

    @Test(arguments: [
        "", "null", "[]", "7", "\"alice\"", "{", "{\"sub\":\"alice\"", #"{"sub":"a","exp":1e999}"#,
        String(repeating: "[", count: 5_000), #"{"sub":"\#("\u{FFFD}")","x":"# + String(repeating: "[", count: 600),
    ])
    func aPayloadThatIsNoObjectIsRefused(payload: String) async throws {
        #expect(try await refusal(payload)?.code == .malformed)
    }
}
