import Authentication
import NIOConcurrencyHelpers

/// Tokens with which nobody may connect any more, as operators said: read from PostgreSQL every two seconds, asked when
/// a client connects or asks over HTTP, never for a message.
public final class RefusedTokens: Sendable {
    private let tokens = NIOLockedValueBox<Set<TokenFingerprint>>([])

    init() {}

    /// Whether a user is known by such a token.
    public func contains(_ identity: Identity) -> Bool {
        guard let token = identity.token else { return false }
        return tokens.withLockedValue { $0.contains(token) }
    }

    /// The whole list as it is now.
    ///
    /// - Returns: those that are new.
    func update(_ now: Set<TokenFingerprint>) -> Set<TokenFingerprint> {
        tokens.withLockedValue { tokens in
            let new = now.subtracting(tokens)
            tokens = now
            return new
        }
    }
}
