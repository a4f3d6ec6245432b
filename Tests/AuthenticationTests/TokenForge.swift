import Authentication
import Foundation

@testable import JWTAuthentication

/// Makes tokens of any header and payload, well-formed or not, signed with the secret of the fixtures.
struct TokenForge {
    /// HS256, HS384, HS512 of `Fixtures.secret`.
    let keys: JWTKeys

    init() async throws {
        keys = try await JWTKeys.secret(Fixtures.secret)
    }

    /// - Parameters:
    ///   - payload: JSON text, or any text.
    ///   - header: JSON text, or any text.
    /// - Returns: header and payload with an HS256 signature.
    func token(_ payload: String, header: String = #"{"alg":"HS256","typ":"JWT"}"#) throws -> String {
        let signed = Self.encode(Array(header.utf8)) + "." + Self.encode(Array(payload.utf8))
        let algorithm = keys.keys[0].algorithm
        return signed + "." + Self.encode(try algorithm.sign(Array(signed.utf8)))
    }

    /// Base64url without padding.
    static func encode(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString()
            .replacingOccurrences(of: "+", with: "-")
            .replacingOccurrences(of: "/", with: "_")
            .replacingOccurrences(of: "=", with: "")
    }

    /// An authenticator whose clock stands at the fixtures' moment, `later` seconds on.
    static func authenticator(
        _ keys: JWTKeys, issuer: String? = nil, audience: String? = nil, requiresExpiry: Bool = false,
        later: Double = 0
    ) -> JWTAuthenticator {
        JWTAuthenticator(
            keys: JWTKeyRing(keys), issuer: issuer, audience: audience, requiresExpiry: requiresExpiry,
            now: { Date(timeIntervalSince1970: Fixtures.now + later) })
    }
}

extension JWTAuthenticator {
    /// The error with which a token is refused; `nil` when it is accepted.
    func refusal(of token: String) async -> AuthenticationError? {
        do {
            _ = try verify(token)
            return nil
        } catch {
            return error
        }
    }
}
