import Authentication
import Foundation

/// The claims that matter here (RFC 7519, section 4.1, and Belfry's own three). Others are left alone.
struct JWTClaims {
    let subject: String?
    let issuer: String?
    let audiences: [String]
    let expiresAt: Date?
    let notBefore: Date?
    let rights: Rights

    /// - Parameter payload: the payload of a token whose signature has been verified.
    init(parsing payload: [UInt8]) throws(AuthenticationError) {
        do {
            self = try JSONDecoder().decode(JWTClaims.self, from: Data(payload))
        } catch let error as AuthenticationError {
            throw error
        } catch let error as DecodingError {
            guard let claim = Self.claim(of: error) else {
                throw AuthenticationError(.malformed, "The token's payload is not a JSON object.")
            }
            throw AuthenticationError(.malformed, "The token's '\(claim)' claim has the wrong type.")
        } catch {
            throw AuthenticationError(.malformed, "The token's payload is not a JSON object.")
        }
    }

    /// The claim that an error is about: one of those known here, so nothing of the token's can be in the text.
    private static func claim(of error: DecodingError) -> String? {
        switch error {
        case .typeMismatch(_, let context), .valueNotFound(_, let context), .keyNotFound(_, let context),
            .dataCorrupted(let context):
            context.codingPath.first.flatMap { CodingKeys(stringValue: $0.stringValue)?.stringValue }
        @unknown default: nil
        }
    }
}

extension JWTClaims: Decodable {
    private enum CodingKeys: String, CodingKey {
        case sub, iss, aud, exp, nbf
        case subscribe = "belfry.subscribe"
        case send = "belfry.send"
        case operatorRight = "belfry.operator"
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        // A claim that is there with `null` is an error, not an absent one: `"exp":null` must not mean "never".
        func claim<Value: Decodable>(_ type: Value.Type, _ key: CodingKeys) throws -> Value? {
            container.contains(key) ? try container.decode(type, forKey: key) : nil
        }
        subject = try claim(String.self, .sub)
        issuer = try claim(String.self, .iss)
        audiences = try claim(Audiences.self, .aud)?.names ?? []
        expiresAt = try claim(Double.self, .exp).map(Self.date)
        notBefore = try claim(Double.self, .nbf).map(Self.date)
        rights = Rights(
            topics: try claim([String].self, .subscribe).map { try Self.patterns($0, .subscribe) },
            sends: try Self.patterns(try claim([String].self, .send) ?? [], .send),
            operatorRight: try claim(OperatorRight.self, .operatorRight) ?? .none)
    }

    private static func patterns(
        _ texts: [String], _ claim: CodingKeys
    ) throws(AuthenticationError) -> [DestinationPattern] {
        guard let patterns = Rights.patterns(texts) else {
            throw AuthenticationError(
                .claim,
                "The token's '\(claim.rawValue)' claim must be at most \(Rights.patternsMax) patterns of "
                    + "destinations, such as /topic/news, /user/*/queue/** or /topic/orders/*.")
        }
        return patterns
    }

    /// `aud` is one string or an array of them.
    private struct Audiences: Decodable {
        let names: [String]

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let name = try? container.decode(String.self) {
                names = [name]
            } else {
                names = try container.decode([String].self)
            }
        }
    }

    /// A NumericDate within the years 1 to 9999, so that no arithmetic on it can overflow.
    private static func date(_ seconds: Double) -> Date {
        Date(timeIntervalSince1970: min(max(seconds, -62_135_596_800), 253_402_300_799))
    }
}
