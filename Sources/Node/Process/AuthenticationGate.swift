import NIOConcurrencyHelpers

/// How many clients of the node wait at once for others to say who they are. Touched by CONNECTs that have to wait,
/// never by one that is answered at once.
final class AuthenticationGate: Sendable {
    private let waitingMax: Int
    private let waiting = NIOLockedValueBox(0)

    init(waitingMax: Int) { self.waitingMax = waitingMax }

    /// How many wait now.
    var count: Int { waiting.withLockedValue { $0 } }

    /// Takes a place; `false` when all are taken.
    func enter() -> Bool {
        waiting.withLockedValue { waiting in
            guard waiting < waitingMax else { return false }
            waiting += 1
            return true
        }
    }

    func leave() { waiting.withLockedValue { $0 -= 1 } }
}
