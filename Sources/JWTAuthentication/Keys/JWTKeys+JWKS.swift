import Foundation
import JWTKit

/// One entry of a JWKS as far as it matters here (RFC 7517, RFC 7518 section 6, RFC 8037). Private parts are not read.
private struct JSONWebKey: Decodable {
    let kty: String
    let use: String?
    let alg: String?
    let kid: String?
    let crv: String?
    let n: String?
    let e: String?
    let x: String?
    let y: String?

    /// The one algorithm that tokens of this key have; `nil` when it is not one that is served here.
    ///
    /// An RSA key that does not say is taken for RS256.
    var algorithm: JWK.Algorithm? {
        let only: String? =
            switch (kty, crv) {
            case ("RSA", _) where alg.map { $0.hasPrefix("RS") || $0.hasPrefix("PS") } ?? true: alg ?? "RS256"
            case ("EC", "P-256"): "ES256"
            case ("EC", "P-384"): "ES384"
            case ("EC", "P-521"): "ES512"
            case ("OKP", "Ed25519"): "EdDSA"
            default: nil
            }
        guard let only, alg == nil || alg == only, only != "RSA-OAEP" else { return nil }
        return JWK.Algorithm(rawValue: only)
    }

    /// The same key as jwt-kit's; `identifier` because jwt-kit does not add a key without one.
    func jwk(_ algorithm: JWK.Algorithm) -> JWK {
        let identifier = JWKIdentifier(string: kid ?? "")
        return switch kty {
        case "RSA": .rsa(algorithm, identifier: identifier, modulus: n, exponent: e)
        case "EC":
            .ecdsa(algorithm, identifier: identifier, x: x, y: y, curve: crv.flatMap { ECDSACurve(rawValue: $0) })
        default:
            .octetKeyPair(
                algorithm, identifier: identifier, x: x, y: nil, curve: crv.flatMap { EdDSACurve(rawValue: $0) })
        }
    }
}

/// `{"keys":[…]}`.
private struct JSONWebKeySet: Decodable {
    let keys: [JSONWebKey]
}

extension JWTKeys {
    /// Keys of one JWKS at most: a token without a `kid` is tried with all of its algorithm.
    static let keysMax = 100

    /// The keys of a JWKS or of one JWK. Entries for encryption and of kinds not served here are left out with a
    /// sentence in `ignored`, as RFC 7517, section 5, asks; one that claims to be served and is broken is an error.
    init(jwks text: String, named path: String) async throws(JWTKeysError) {
        let entries = try Self.entries(text, named: path)
        guard entries.count <= Self.keysMax else {
            throw JWTKeysError(.unusable, "'\(path)' holds \(entries.count) keys; at most \(Self.keysMax) are read.")
        }
        var keys: [Key] = []
        var ignored: [String] = []
        for (index, entry) in entries.enumerated() {
            let name = "Key \(index + 1) of '\(path)'"
            guard entry.use != "enc" else {
                ignored.append("\(name) is for encryption (use 'enc') and is not used.")
                continue
            }
            guard let algorithm = entry.algorithm else {
                ignored.append(
                    "\(name) (kty '\(entry.kty)', crv '\(entry.crv ?? "none")', alg '\(entry.alg ?? "none")') is of a "
                        + "kind that is not served here and is not used.")
                continue
            }
            do {
                let verifier = try await Self.algorithm(algorithm.rawValue) { collection in
                    try await collection.add(jwk: entry.jwk(algorithm))
                }
                keys.append(Key(id: entry.kid, algorithm: verifier))
            } catch {
                throw JWTKeysError(
                    .unusable,
                    "\(name) is not a valid public key for \(algorithm.rawValue) (RSA keys need 2048 bits or more).",
                    underlying: error)
            }
        }
        self.init(keys: keys, ignored: ignored)
    }

    private static func entries(_ text: String, named path: String) throws(JWTKeysError) -> [JSONWebKey] {
        let decoder = JSONDecoder()
        let data = Data(text.utf8)
        if let single = try? decoder.decode(JSONWebKey.self, from: data) { return [single] }
        do {
            return try decoder.decode(JSONWebKeySet.self, from: data).keys
        } catch {
            throw JWTKeysError(
                .unusable,
                "The key file '\(path)' is neither PEM nor a JWKS: a JSON object with an array 'keys' whose members "
                    + "have a 'kty'.", underlying: error)
        }
    }
}
