import BelfryModel
import NIOConcurrencyHelpers

/// How many sessions the node and each of its users have, over all event loops. Touched when sessions come and go,
/// never by a message.
final class Occupancy: Sendable {
    private struct Counts {
        var sessions = 0
        var ofUser: [String: Int] = [:]
    }

    private let sessionsMax: Int
    private let counts = NIOLockedValueBox(Counts())

    init(sessionsMax: Int) { self.sessionsMax = sessionsMax }

    /// Sessions now, authenticated or not.
    var sessions: Int { counts.withLockedValue { $0.sessions } }

    /// Takes a place on the node; `false` when it is full.
    func enter() -> Bool {
        counts.withLockedValue { counts in
            guard counts.sessions < sessionsMax else { return false }
            counts.sessions += 1
            return true
        }
    }

    func leave() { counts.withLockedValue { $0.sessions -= 1 } }

    /// Takes one of the user's places; `false` when all are taken.
    func enter(user: String, atMost sessionsPerUserMax: Int) -> Bool {
        counts.withLockedValue { counts in
            let count = counts.ofUser[user, default: 0]
            guard count < sessionsPerUserMax else { return false }
            counts.ofUser[user] = count + 1
            return true
        }
    }

    func leave(user: String) {
        counts.withLockedValue { counts in
            let count = counts.ofUser[user, default: 0] - 1
            counts.ofUser[user] = count > 0 ? count : nil
        }
    }
}
