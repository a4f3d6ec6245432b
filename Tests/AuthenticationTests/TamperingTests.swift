import Authentication
import Foundation
import Testing

@testable import JWTAuthentication

/// What attackers try with headers, keys and shapes.
struct TamperingTests {
    private func authenticator() async throws -> JWTAuthenticator {
        TokenForge.authenticator(try await JWTKeys.secret(Fixtures.secret))
    }

    @Test func anUnsignedTokenIsRefused() async throws {
        let refusal = await (try await authenticator()).refusal(of: Fixtures.unsigned)
        #expect(refusal?.code == .algorithm)
        let forge = try await TokenForge()
        for name in ["none", "None", "NONE", "", "HS255", "hs256"] {
            let token = try forge.token(#"{"sub":"mallory"}"#, header: #"{"alg":"\#(name)"}"#)
            #expect(await (try await authenticator()).refusal(of: token)?.code == .algorithm)
        }
    }

    /// The classic: HS256, with the server's public key as the secret.
    @Test func aPublicKeyIsNoSecret() async throws {
        let keys = try await JWTKeys.parsing(Fixtures.rsaPublic, named: "keys.pem")
        let attacker = try await JWTKeys.algorithm(nil) { collection in
            await collection.add(hmac: .init(from: Fixtures.rsaPublic), digestAlgorithm: .sha256)
        }
        let signed =
            TokenForge.encode(Array(#"{"alg":"HS256"}"#.utf8)) + "." + TokenForge.encode(Array(#"{"sub":"eve"}"#.utf8))
        let token = signed + "." + TokenForge.encode(try attacker.sign(Array(signed.utf8)))
        #expect(await TokenForge.authenticator(keys).refusal(of: token)?.code == .algorithm)
        let both = keys.adding(try await JWTKeys.secret(Fixtures.secret))
        #expect(await TokenForge.authenticator(both).refusal(of: token)?.code == .signature)
    }

    @Test func theAlgorithmMustBeTheOneOfTheKeyChosen() async throws {
        let keys = try await JWTKeys.parsing(Fixtures.keySet, named: "keys.json").adding(
            JWTKeys.secret(Fixtures.secret))
        let forge = try await TokenForge()
        let token = try forge.token(#"{"sub":"eve"}"#, header: #"{"alg":"HS256","kid":"rsa-1"}"#)
        #expect(await TokenForge.authenticator(keys).refusal(of: token)?.code == .algorithm)
    }

    @Test func anUnknownKeyIDIsRefusedWithoutNamingIt() async throws {
        let keys = try await JWTKeys.parsing(Fixtures.keySet, named: "keys.json")
        let forge = try await TokenForge()
        let token = try forge.token(#"{"sub":"eve"}"#, header: #"{"alg":"RS256","kid":"other-9\n"}"#)
        let refusal = try #require(await TokenForge.authenticator(keys).refusal(of: token))
        #expect(refusal.code == .signature)
        #expect(refusal.message == "The token's signature does not match any configured key.")
        #expect(refusal.detail == "No configured key has the 'kid' 'other-9?'.")
    }

    @Test func anotherSecretIsRefused() async throws {
        let keys = try await JWTKeys.secret(String(Fixtures.secret.reversed()))
        let refusal = await TokenForge.authenticator(keys).refusal(of: try #require(Fixtures.tokens["HS256"]))
        #expect(refusal?.code == .signature)
    }

    @Test(arguments: [
        "", ".", "..", "...", "a", "a.b", "a.b.c.d", "alice", "Bearer x.y.z", "e30.e30.", " e30.e30.e30",
        "e30=.e30=.e30=",
        "é.é.é", "\u{0}.\u{0}.\u{0}", "bnVsbA.e30.e30", "W10.e30.e30", "eyJhbGciOjF9.e30.e30", "eyJhbGciOiJIUzI1NiJ9..",
    ])
    func whatIsNoTokenIsRefused(text: String) async throws {
        let refusal = try #require(await (try await authenticator()).refusal(of: text))
        #expect([.missing, .malformed, .signature].contains(refusal.code))
    }

    @Test func paddingAndOtherSpellingsOfTheSameBytesAreRefused() async throws {
        let token = try #require(Fixtures.tokens["HS256"])
        let authenticator = try await authenticator()
        for forged in [
            token + "=", token + " ", "\n" + token, token + ".", token.replacingOccurrences(of: ".", with: ".."),
        ] {
            #expect(await authenticator.refusal(of: forged)?.code == .malformed)
        }
        // 32 bytes leave two spare bits in the last character: another last character could spell the same bytes.
        let last = try #require(token.last)
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        for character in alphabet where character != last {
            #expect(await authenticator.refusal(of: token.dropLast() + String(character)) != nil)
        }
    }

    @Test func aLongTokenIsRefusedUnread() async throws {
        let forge = try await TokenForge()
        let long = try forge.token(#"{"sub":"alice","padding":"\#(String(repeating: "x", count: 7_000))"}"#)
        let refusal = try #require(await (try await authenticator()).refusal(of: long))
        #expect(refusal.code == .tooLong)
        #expect(refusal.message == "The token is longer than 8192 bytes.")
        let fits = try forge.token(#"{"sub":"alice","padding":"\#(String(repeating: "x", count: 5_000))"}"#)
        #expect(await (try await authenticator()).refusal(of: fits) == nil)
    }

    @Test func aCriticalExtensionIsRefused() async throws {
        let forge = try await TokenForge()
        let token = try forge.token(#"{"sub":"alice"}"#, header: #"{"alg":"HS256","crit":["b64"],"b64":false}"#)
        #expect(await (try await authenticator()).refusal(of: token)?.code == .malformed)
    }

    @Test func noMutationOfATokenIsAcceptedOrTraps() async throws {
        let authenticator = try await authenticator()
        let token = Array(try #require(Fixtures.tokens["HS256"]).utf8)
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<2_000 {
            var forged = token
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let index = forged.indices.randomElement(using: &generator) ?? 0
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: forged[index] = UInt8.random(in: 0...255, using: &generator)
                case 1: forged.remove(at: index)
                default: forged.insert(UInt8.random(in: 33...126, using: &generator), at: index)
                }
            }
            guard forged != token else { continue }
            #expect(await authenticator.refusal(of: String(decoding: forged, as: UTF8.self)) != nil)
        }
    }

    @Test func noErrorHoldsTheToken() async throws {
        let authenticator = TokenForge.authenticator(
            try await JWTKeys.secret(Fixtures.secret), issuer: "x", later: 99_999)
        for token in Fixtures.tokens.values {
            let refusal = try #require(await authenticator.refusal(of: token))
            for part in token.split(separator: ".") {
                #expect(!"\(refusal) \(refusal.message) \(refusal.detail)".contains(part))
            }
        }
    }
}
