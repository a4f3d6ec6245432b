import Authentication
import Foundation

/// A JWT taken apart (RFC 7515, compact serialization), nothing of it verified yet.
struct JWTToken {
    /// Bytes of a token at most: a JWT with many claims has 2 KiB.
    static let bytesMax = 8 * 1024

    /// The header's `alg`.
    let algorithm: String
    /// The header's `kid`.
    let keyID: String?
    /// What was signed: the encoded header, a period, the encoded payload.
    let signingInput: [UInt8]
    /// The decoded payload: claims, once the signature is verified.
    let payload: [UInt8]
    let signature: [UInt8]

    private struct Header: Decodable {
        let alg: String
        let kid: String?
        let crit: [String]?
    }

    /// - Parameter token: any text at all.
    init(parsing token: String) throws(AuthenticationError) {
        guard !token.isEmpty else {
            throw AuthenticationError(
                .missing, "No token was sent: CONNECT needs a header 'Authorization:Bearer <token>'.")
        }
        guard token.utf8.count <= Self.bytesMax else {
            throw AuthenticationError(
                .tooLong, "The token is longer than \(Self.bytesMax) bytes.",
                detail: "A token of \(token.utf8.count) bytes was sent; the limit is \(Self.bytesMax).")
        }
        let parts = Array(token.utf8).split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 3, let headerBytes = Base64URL.decode(parts[0]),
            let payload = Base64URL.decode(parts[1]), let signature = Base64URL.decode(parts[2])
        else {
            throw AuthenticationError(.malformed, "The token is not a JWT: three base64url parts with periods between.")
        }
        guard let header = try? JSONDecoder().decode(Header.self, from: Data(headerBytes)) else {
            throw AuthenticationError(.malformed, "The token's header is not a JSON object with an 'alg'.")
        }
        guard header.crit == nil else {
            throw AuthenticationError(
                .malformed, "The token's header has a 'crit' member, and no extensions are understood here.")
        }
        self.algorithm = header.alg
        self.keyID = header.kid
        self.signingInput = parts[0] + [UInt8(ascii: ".")] + parts[1]
        self.payload = payload
        self.signature = signature
    }

    /// A text of the client's as it may stand in a log line: quoted, short, one line, ASCII.
    static func printable(_ text: String?) -> String {
        guard let text else { return "absent" }
        let shown = text.unicodeScalars.prefix(60).map { scalar in
            (0x20..<0x7F).contains(scalar.value) && scalar != "'" ? String(scalar) : "?"
        }
        return "'\(shown.joined())\(text.unicodeScalars.count > 60 ? "…" : "")'"
    }
}
