import BelfryModel
import Listening
import NIOConcurrencyHelpers
import NIOCore

/// How many requests are served at once, and how many a second of each user: one user's flood is not the others'.
final class RequestGate: Sendable {
    /// What is known of a user.
    private struct User {
        var inProgress = 0
        var bucket: TokenBucket
    }

    private struct State {
        var inProgress = 0
        var users: [String: User] = [:]
    }

    /// Users after which those are forgotten of whom there is nothing to remember.
    private static let usersKept = 10_000

    private let state = NIOLockedValueBox(State())
    private let requestsMax: Int
    private let requestsPerUserMax: Int
    private let perSecondMax: Int

    init(limits: Limits) {
        requestsMax = limits.requestsInProgressMax
        requestsPerUserMax = limits.requestsPerUserInProgressMax
        perSecondMax = limits.requestsPerUserPerSecondMax
    }

    /// Of how many users something is remembered.
    var usersKnown: Int { state.withLockedValue { $0.users.count } }

    /// Takes a place; whoever has it calls `leave`.
    ///
    /// - Parameter isCounted: whether it counts against the user's requests a second.
    func enter(_ user: String, isCounted: Bool, now: NIODeadline = .now()) throws(Problem) {
        let problem: Problem? = state.withLockedValue { state in
            guard state.inProgress < requestsMax else {
                return .later(
                    .serviceUnavailable, "unavailable",
                    "This node serves \(requestsMax) requests at once, and not more; try again.", seconds: 1)
            }
            if state.users.count > Self.usersKept {
                state.users = state.users.filter { $0.value.inProgress > 0 || !$0.value.bucket.isFull(at: now) }
            }
            var entry = state.users[user] ?? User(bucket: TokenBucket(now: now))
            guard entry.inProgress < requestsPerUserMax else {
                return .later(
                    .tooManyRequests, "tooManyRequests",
                    "This user has \(requestsPerUserMax) requests under way; wait for their answers.", seconds: 1)
            }
            let isInTime = !isCounted || perSecondMax == 0 || entry.bucket.take(perSecond: perSecondMax, at: now)
            if isInTime {
                entry.inProgress += 1
                state.inProgress += 1
            }
            state.users[user] = entry
            return isInTime
                ? nil
                : .later(
                    .tooManyRequests, "tooManyRequests",
                    "This user may make \(perSecondMax) requests a second, some more for a moment; try again later.",
                    seconds: 1)
        }
        if let problem { throw problem }
    }

    func leave(_ user: String) {
        state.withLockedValue { state in
            state.inProgress -= 1
            state.users[user]?.inProgress -= 1
        }
    }
}
