import Synchronization

/// The keys that tokens are verified with now: those of the secret, of a file and of a URL, each of which may be
/// replaced while tokens are verified with the others.
public final class JWTKeyRing: Sendable {
    /// Where keys come from.
    public enum Source: Hashable, Sendable, CaseIterable { case secret, file, url }

    private struct State {
        var parts: [Source: JWTKeys] = [:]
        var all = JWTKeys(keys: [])
    }

    private let state = Mutex(State())

    public init() {}

    /// A ring of keys that do not change.
    public init(_ keys: JWTKeys) { replace(.secret, by: keys) }

    /// Puts keys in the place of those that the source had before.
    public func replace(_ source: Source, by keys: JWTKeys) {
        state.withLock { state in
            state.parts[source] = keys
            state.all = Source.allCases.compactMap { state.parts[$0] }.reduce(JWTKeys(keys: [])) { $0.adding($1) }
        }
    }

    /// All keys, as they are now.
    public var keys: JWTKeys { state.withLock { $0.all } }
}
