import Authentication
import Foundation
import JWTKit

/// Accepts signed JWTs (RFC 7519) whose `sub` is the user.
///
/// Checked: the signature, by a key whose own algorithm is the one the header names; `exp`, without leeway, because a
/// session ends at that moment anyway; `nbf`, with `notBeforeLeeway`; `iss` and `aud` where they are configured. A
/// token without `exp` never expires: whether there are such tokens is the issuer's decision, and whether they are let
/// in the operator's.
public struct JWTAuthenticator: Authenticator {
    /// Seconds by which an issuer's clock may run ahead of this machine's.
    public static let notBeforeLeeway: TimeInterval = 30

    private let ring: JWTKeyRing
    private let endpoint: JWTKeyEndpoint?
    private let issuer: String?
    private let audience: String?
    private let requiresExpiry: Bool
    private let now: @Sendable () -> Date

    /// - Parameters:
    ///   - keys: those that are known at each moment.
    ///   - endpoint: asked when a token names a key that is not known, for what it then puts into the ring.
    ///   - issuer: what `iss` must be; `nil` leaves `iss` unchecked.
    ///   - audience: what `aud` must be or contain; `nil` leaves `aud` unchecked.
    ///   - requiresExpiry: refuses a token without `exp`.
    public init(
        keys: JWTKeyRing, endpoint: JWTKeyEndpoint? = nil, issuer: String?, audience: String?,
        requiresExpiry: Bool = false
    ) {
        self.init(
            keys: keys, endpoint: endpoint, issuer: issuer, audience: audience, requiresExpiry: requiresExpiry,
            now: { Date() })
    }

    /// The same with keys that do not change.
    public init(keys: JWTKeys, issuer: String?, audience: String?, requiresExpiry: Bool = false) {
        self.init(keys: JWTKeyRing(keys), issuer: issuer, audience: audience, requiresExpiry: requiresExpiry)
    }

    /// The same with a clock of the caller's.
    init(
        keys: JWTKeyRing, endpoint: JWTKeyEndpoint? = nil, issuer: String?, audience: String?,
        requiresExpiry: Bool = false, now: @escaping @Sendable () -> Date
    ) {
        self.ring = keys
        self.endpoint = endpoint
        self.issuer = issuer
        self.audience = audience
        self.requiresExpiry = requiresExpiry
        self.now = now
    }

    public func authenticate(_ credentials: Credentials) -> AuthenticationAnswer {
        let text = credentials.tokenOrPasscode
        guard let endpoint else { return AuthenticationAnswer { () throws(AuthenticationError) in try verify(text) } }
        do throws(AuthenticationError) {
            let token = try JWTToken(parsing: text)
            if ring.keys.knows(token) {
                return AuthenticationAnswer { () throws(AuthenticationError) in try verify(token) }
            }
            return .later { await verify(token, after: endpoint) }
        } catch {
            return .now(.failure(error))
        }
    }

    /// The user of a token whose key may have been published just now.
    private func verify(_ token: JWTToken, after endpoint: JWTKeyEndpoint) async -> Result<
        Identity, AuthenticationError
    > {
        let isUpToDate = await endpoint.refresh()
        guard isUpToDate || ring.keys.mayVerify(token) else {
            return .failure(
                AuthenticationError(
                    .unavailable, "The token can't be checked now; connect again later.",
                    detail: "No key with the 'kid' \(JWTToken.printable(token.keyID)) is known, and the keys could not "
                        + "be fetched (jwt.keysUrl)."))
        }
        do throws(AuthenticationError) {
            return .success(try verify(token))
        } catch {
            return .failure(error)
        }
    }

    /// The user of a token that is good now.
    ///
    /// - Parameter token: any text at all.
    public func verify(_ token: String) throws(AuthenticationError) -> Identity {
        try verify(try JWTToken(parsing: token))
    }

    private func verify(_ token: JWTToken) throws(AuthenticationError) -> Identity {
        try verifySignature(of: token)
        let claims = try JWTClaims(parsing: token.payload)
        try verifyTimes(of: claims)
        try verifyIssuerAndAudience(of: claims)
        guard let subject = claims.subject else {
            throw AuthenticationError(.user, "The token has no 'sub' claim.")
        }
        guard Identity.isValid(user: subject) else {
            throw AuthenticationError(
                .user,
                "The token's 'sub' claim is not a user's id: 1 to \(Identity.userBytesMax) bytes of UTF-8 in composed "
                    + "form, no control characters.")
        }
        return Identity(user: subject, expiresAt: claims.expiresAt, rights: claims.rights)
    }

    private func verifySignature(of token: JWTToken) throws(AuthenticationError) {
        let candidates = try ring.keys.candidates(algorithm: token.algorithm, keyID: token.keyID)
        for key in candidates {
            // A signature of a length that the algorithm does not have is an error of the library's and a "no" here.
            if (try? key.algorithm.verify(token.signature, signs: token.signingInput)) == true { return }
        }
        throw AuthenticationError(
            .signature, "The token's signature does not match any configured key.",
            detail: "The token's signature matches none of the \(candidates.count) keys for "
                + "\(JWTToken.printable(token.algorithm)) that it was tried with.")
    }

    private func verifyTimes(of claims: JWTClaims) throws(AuthenticationError) {
        let now = now()
        guard claims.expiresAt != nil || !requiresExpiry else {
            throw AuthenticationError(
                .claim, "The token has no 'exp' claim: tokens that never expire are not accepted here.",
                detail: "The token has no 'exp' claim, and jwt.requireExpiry is set.")
        }
        if let expiresAt = claims.expiresAt, expiresAt <= now {
            throw AuthenticationError(
                .expired, "The token has expired.",
                detail: "The token expired \(Self.seconds(from: expiresAt, to: now)) s ago.")
        }
        if let notBefore = claims.notBefore, notBefore > now.addingTimeInterval(Self.notBeforeLeeway) {
            throw AuthenticationError(
                .notYetValid, "The token is not valid yet.",
                detail: "The token becomes valid in \(Self.seconds(from: now, to: notBefore)) s; is a clock wrong?")
        }
    }

    private func verifyIssuerAndAudience(of claims: JWTClaims) throws(AuthenticationError) {
        if let issuer, !Self.same(claims.issuer, issuer) {
            throw AuthenticationError(
                .claim, "The token's issuer (claim 'iss') is not accepted here.",
                detail: "The token's 'iss' is \(JWTToken.printable(claims.issuer)); jwt.issuer is '\(issuer)'.")
        }
        if let audience, !claims.audiences.contains(where: { Self.same($0, audience) }) {
            throw AuthenticationError(
                .claim, "The token is not meant for this server (claim 'aud').",
                detail: "The token's 'aud' is \(JWTToken.printable(claims.audiences.joined(separator: " "))); "
                    + "jwt.audience is '\(audience)'.")
        }
    }

    /// Byte for byte: Swift's `==` would take two spellings of one letter for the same.
    private static func same(_ left: String?, _ right: String) -> Bool {
        guard let left else { return false }
        return left.utf8.elementsEqual(right.utf8)
    }

    /// Whole seconds; both dates lie within the years 1 to 9999, see `JWTClaims`.
    private static func seconds(from start: Date, to end: Date) -> Int {
        Int(end.timeIntervalSince(start).rounded())
    }
}
