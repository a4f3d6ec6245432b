import Foundation
import Testing

@testable import JWTAuthentication

/// Tokens that another implementation signed, by every algorithm and from every kind of key.
struct AlgorithmTests {
    /// The PEM of the fixtures for an algorithm.
    private static let pems = [
        "RS256": Fixtures.rsaPublic, "ES256": Fixtures.ec256Public, "ES384": Fixtures.ec384Public,
        "ES512": Fixtures.ec521Public, "EdDSA": Fixtures.ed25519Public,
    ]

    private func keys(for algorithm: String) async throws -> JWTKeys {
        guard let pem = Self.pems[algorithm] else { return try await JWTKeys.secret(Fixtures.secret) }
        return try await JWTKeys.parsing(pem, named: "keys.pem")
    }

    @Test(arguments: Fixtures.tokens.keys.sorted())
    func aTokenOfEachAlgorithmIsAccepted(algorithm: String) async throws {
        let authenticator = TokenForge.authenticator(try await keys(for: algorithm))
        let identity = try authenticator.verify(try #require(Fixtures.tokens[algorithm]))
        #expect(identity.user == "alice")
        #expect(identity.expiresAt == Date(timeIntervalSince1970: Fixtures.now + 3600))
    }

    @Test(arguments: Fixtures.tokens.keys.sorted())
    func aTokenOfEachAlgorithmIsRefusedWhenOneBitOfItIsOther(algorithm: String) async throws {
        let authenticator = TokenForge.authenticator(try await keys(for: algorithm))
        let parts = try #require(Fixtures.tokens[algorithm]).split(separator: ".").map(String.init)
        for part in 0..<3 {
            let bytes = try #require(Base64URL.decode(Array(parts[part].utf8)))
            for index in [0, bytes.count / 2, bytes.count - 1] {
                var forged = parts
                var bytes = bytes
                bytes[index] ^= 1
                forged[part] = TokenForge.encode(bytes)
                #expect(await authenticator.refusal(of: forged.joined(separator: ".")) != nil)
            }
        }
    }

    @Test(arguments: Fixtures.tokens.keys.sorted(), [0, 1, 2, 64, 500])
    func aSignatureOfAnotherLengthIsRefused(algorithm: String, length: Int) async throws {
        let authenticator = TokenForge.authenticator(try await keys(for: algorithm))
        let token = try #require(Fixtures.tokens[algorithm])
        let signed = token[..<(try #require(token.lastIndex(of: ".")))]
        let forged = "\(signed).\(TokenForge.encode([UInt8](repeating: 0x30, count: length)))"
        #expect(await authenticator.refusal(of: forged)?.code == .signature)
    }

    @Test(arguments: Fixtures.tokens.keys.sorted())
    func aTokenOfAnAlgorithmThatNoKeyHasIsRefused(algorithm: String) async throws {
        let others = Self.pems.keys.filter { $0 != algorithm }.sorted()
        let keys = try await JWTKeys.parsing(
            others.compactMap { Self.pems[$0] }.joined(separator: "\n"), named: "keys.pem")
        #expect(keys.algorithms == others)
        let refusal = await TokenForge.authenticator(keys).refusal(of: try #require(Fixtures.tokens[algorithm]))
        #expect(refusal?.code == .algorithm)
        #expect(refusal?.message == "The token's algorithm is not accepted here.")
    }

    @Test(arguments: Fixtures.tokensWithKeyID.keys.sorted())
    func theKeyIDChoosesTheKeyOfASet(algorithm: String) async throws {
        let keys = try await JWTKeys.parsing(Fixtures.keySet, named: "keys.json")
        let token = try #require(Fixtures.tokensWithKeyID[algorithm])
        #expect(try TokenForge.authenticator(keys).verify(token).user == "alice")
    }

    @Test(arguments: ["RS256", "ES256", "EdDSA"])
    func aTokenWithoutKeyIDIsTriedWithTheKeysOfItsAlgorithm(algorithm: String) async throws {
        let keys = try await JWTKeys.parsing(Fixtures.keySet, named: "keys.json")
        let token = try #require(Fixtures.tokens[algorithm])
        #expect(try TokenForge.authenticator(keys).verify(token).user == "alice")
    }

    @Test func aCertificateServesAsItsKey() async throws {
        let keys = try await JWTKeys.parsing(Fixtures.rsaCertificate, named: "cert.pem")
        let token = try #require(Fixtures.tokens["RS256"])
        #expect(try TokenForge.authenticator(keys).verify(token).user == "alice")
    }

    @Test func aSecretAndAFileServeTogether() async throws {
        let keys = try await JWTKeys.secret(Fixtures.secret).adding(
            JWTKeys.parsing(Fixtures.keySet, named: "keys.json"))
        for algorithm in ["HS512", "RS256"] {
            let token = try #require(Fixtures.tokens[algorithm])
            #expect(try TokenForge.authenticator(keys).verify(token).user == "alice")
        }
        #expect(
            keys.algorithms == ["ES256", "ES384", "EdDSA", "HS256", "HS384", "HS512", "PS256", "RS256"])
    }
}
