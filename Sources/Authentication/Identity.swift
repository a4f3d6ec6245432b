import Foundation

/// Who a session belongs to, until when that is known, and what they may do.
public struct Identity: Hashable, Sendable {
    /// The user's id, as `belfry.message_log.receiver` names it: see `isValid(user:)`.
    public let user: String
    /// When the session must end, in the year 9999 at the latest; `nil` when the token never expires.
    public let expiresAt: Date?
    public let rights: Rights
    /// The token that they showed; `nil` when it was none.
    public var token: TokenFingerprint?

    /// - Parameters:
    ///   - user: an id that `isValid(user:)` accepts; the caller has checked it.
    ///   - expiresAt: the token's expiry.
    public init(user: String, expiresAt: Date? = nil, rights: Rights = .standard) {
        self.user = user
        self.expiresAt = expiresAt
        self.rights = rights
    }

    /// Bytes of UTF-8 in a user's id at most; the bound of `message_log.receiver`.
    public static let userBytesMax = 255

    /// Whether a text can be a user's id: 1 to 255 bytes of UTF-8, no control characters (PostgreSQL's `text` holds no
    /// NUL, and log lines are lines), in Unicode's composed form NFC.
    ///
    /// Swift compares strings by canonical equivalence and PostgreSQL by bytes. Were both forms of an `é` accepted,
    /// two users of the database would be one user here.
    public static func isValid(user: String) -> Bool {
        let bytes = user.utf8
        guard (1...userBytesMax).contains(bytes.count) else { return false }
        if bytes.allSatisfy({ (0x20..<0x7F).contains($0) }) { return true }
        guard !user.unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return false }
        return user.precomposedStringWithCanonicalMapping.utf8.elementsEqual(bytes)
    }
}
