import Authentication
import Crypto
import Foundation
import Synchronization

/// Good answers of the application's, for the moment in which many clients come again at once. It holds hashes of what
/// was shown, not that itself.
final class AnswerCache: Sendable {
    /// Answers at most; the oldest half leaves when there are more.
    static let countMax = 20_000

    private struct Entry {
        let identity: Identity
        let end: ContinuousClock.Instant
    }

    private let lifetime: Duration
    private let entries = Mutex<[Data: Entry]>([:])

    init(lifetime: Duration) { self.lifetime = lifetime }

    /// The identity, if it was remembered a short while ago and has not expired.
    func identity(for fields: [(name: String, value: String)], now: Date = Date()) -> Identity? {
        let key = Self.key(fields)
        guard let entry = entries.withLock({ $0[key] }), ContinuousClock.now < entry.end else { return nil }
        if let expiresAt = entry.identity.expiresAt, expiresAt <= now { return nil }
        return entry.identity
    }

    func remember(_ identity: Identity, for fields: [(name: String, value: String)]) {
        let key = Self.key(fields)
        let now = ContinuousClock.now
        entries.withLock { entries in
            if entries.count >= Self.countMax {
                entries = entries.filter { $0.value.end > now }
                if entries.count >= Self.countMax {
                    let oldest = entries.sorted { $0.value.end < $1.value.end }.prefix(Self.countMax / 2)
                    for (key, _) in oldest { entries[key] = nil }
                }
            }
            entries[key] = Entry(identity: identity, end: now + lifetime)
        }
    }

    /// Two lists of fields have the same key only if they are the same: no value can hold a line's end.
    private static func key(_ fields: [(name: String, value: String)]) -> Data {
        Data(SHA256.hash(data: Data(fields.map { "\($0.name):\($0.value)\n" }.joined().utf8)))
    }
}
