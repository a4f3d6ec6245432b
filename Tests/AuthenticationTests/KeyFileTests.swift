import Foundation
import Testing

@testable import JWTAuthentication

/// Secrets and key files that can't be used stop the start with a sentence.
struct KeyFileTests {
    private func failure(of text: String) async -> JWTKeysError? {
        do {
            _ = try await JWTKeys.parsing(text, named: "keys.pem")
            return nil
        } catch {
            return error
        }
    }

    private func failure(ofSecret secret: String) async -> JWTKeysError? {
        do {
            _ = try await JWTKeys.secret(secret)
            return nil
        } catch {
            return error
        }
    }

    @Test func aShortSecretIsRefusedWithItsLengthOnly() async throws {
        let error = try #require(await failure(ofSecret: "too short a secret"))
        #expect(error.code == .weakSecret)
        #expect(error.message.contains("has 18 bytes; at least 32 are needed"))
        #expect(!error.message.contains("too short"))
    }

    @Test(
        arguments: [(31, nil), (32, ["HS256"]), (48, ["HS256", "HS384"]), (64, ["HS256", "HS384", "HS512"])]
            as [(Int, [String]?)])
    func theSecretsLengthDecidesOnTheAlgorithms(bytes: Int, algorithms: [String]?) async throws {
        let keys = try? await JWTKeys.secret(String(repeating: "s", count: bytes))
        #expect(keys?.algorithms == algorithms)
    }

    @Test func aPEMIsNoSecret() async throws {
        let error = try #require(await failure(ofSecret: Fixtures.rsaPublic))
        #expect(error.message.contains("BELFRY_JWT_KEYS"))
    }

    @Test func aPrivateKeyIsRefused() async throws {
        let error = try #require(await failure(of: Fixtures.ec256Private))
        #expect(error.message.contains("holds a private key"))
    }

    @Test func aWeakKeyIsRefused() async throws {
        let error = try #require(await failure(of: Fixtures.weakRSAPublic))
        #expect(error.message.contains("2048 bits or more"))
    }

    @Test func severalBlocksAreSeveralKeys() async throws {
        let text = "# issuer A\n\(Fixtures.rsaPublic)\r\n\n# issuer B\n\(Fixtures.ed25519Public)\n"
        #expect(try await JWTKeys.parsing(text, named: "keys.pem").algorithms == ["EdDSA", "RS256"])
    }

    @Test(arguments: [
        "", "nonsense", "{}", "[]", #"{"keys":{}}"#, #"{"keys":[]}"#, #"{"keys":[{"n":"x"}]}"#,
        "-----BEGIN PUBLIC KEY-----\n!!!\n-----END PUBLIC KEY-----", "-----BEGIN PUBLIC KEY-----\nAAAA",
        #"{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}"#, #"{"keys":[{"kty":"RSA","alg":"RS256"}]}"#,
        #"{"keys":[{"kty":"RSA","alg":"RS256","n":"AQAB","e":"AQAB"}]}"#, #"{"keys":[{"kty":"RSA","n":"","e":""}]}"#,
        #"{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}]}"#, #"{"kty":"OKP","crv":"Ed25519","x":"*"}"#,
    ])
    func aFileWithoutAUsableKeyIsRefused(text: String) async throws {
        let error = try #require(await failure(of: text))
        #expect(error.code == .unusable)
        #expect(error.message.contains("keys.pem"))
    }

    @Test func entriesNotServedAreNamed() async throws {
        let keys = try await JWTKeys.parsing(Fixtures.keySet, named: "keys.json")
        #expect(keys.ignored.count == 2)
        #expect(keys.ignored[0].contains("Key 5 of 'keys.json' is for encryption"))
        #expect(keys.ignored[1].contains("Key 6") && keys.ignored[1].contains("kty 'oct'"))
        #expect(keys.algorithms == ["ES256", "ES384", "EdDSA", "PS256", "RS256"])
    }

    @Test(arguments: [#""alg":"HS256","#, #""alg":"none","#, #""alg":"ES256","#, #""alg":"RSA-OAEP","#])
    func anAlgorithmThatIsNotTheKeysOwnIsNotServed(member: String) async throws {
        let rsa = #"{"kty":"RSA",\#(member)"n":"AQAB","e":"AQAB"}"#
        #expect(try #require(await failure(of: rsa)).message.contains("not served here"))
    }

    @Test func aMissingFileIsNamed() async throws {
        do {
            _ = try await JWTKeys.file("/nonexistent/keys.pem")
            Issue.record("A missing file was read.")
        } catch {
            #expect(error.code == .unreadable)
            #expect(error.message.contains("'/nonexistent/keys.pem'"))
        }
    }
}
