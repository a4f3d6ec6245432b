import Authentication
import Foundation
import NIOConcurrencyHelpers

/// Answers as a test says: tokens are made by `token`, and answers that are to come later come when it lets them.
final class TestAuthenticator: Authenticator {
    private struct State {
        var identities: [String: Identity] = [:]
        /// Who waits for an answer, by token.
        var waiting: [String: CheckedContinuation<Result<Identity, AuthenticationError>, Never>] = [:]
        var cancelled: Set<String> = []
    }

    private let state = NIOLockedValueBox(State())

    /// A token of a user's.
    ///
    /// - Parameter later: only `answer` says so.
    func token(
        _ user: String, expiresIn seconds: Double? = nil, topics: [String]? = nil, later: Bool = false
    ) -> String {
        state.withLockedValue { state in
            let token = "\(later ? "later" : "now")-\(state.identities.count)"
            state.identities[token] = Identity(
                user: user, expiresAt: seconds.map { Date(timeIntervalSinceNow: $0) },
                rights: Rights(topics: topics?.compactMap(DestinationPattern.init)))
            return token
        }
    }

    func authenticate(_ credentials: Credentials) -> AuthenticationAnswer {
        let token = credentials.tokenOrPasscode
        guard token.hasPrefix("later") else { return .now(identity(token)) }
        return .later { [state] in
            await withTaskCancellationHandler {
                await withCheckedContinuation { continuation in
                    state.withLockedValue { $0.waiting[token] = continuation }
                }
            } onCancel: {
                _ = state.withLockedValue { $0.cancelled.insert(token) }
            }
        }
    }

    private func identity(_ token: String) -> Result<Identity, AuthenticationError> {
        guard let identity = state.withLockedValue({ $0.identities[token] }) else {
            return .failure(AuthenticationError(.signature, "The token is forged.", detail: "Key 7 did not make it."))
        }
        return .success(identity)
    }

    func isWaiting(_ token: String) -> Bool { state.withLockedValue { $0.waiting[token] != nil } }

    /// Whether nobody wants to know any more.
    func isCancelled(_ token: String) -> Bool { state.withLockedValue { $0.cancelled.contains(token) } }

    /// Gives the answer, even if nobody wants to know it any more.
    func answer(_ token: String, _ error: AuthenticationError? = nil) {
        let waiting = state.withLockedValue { $0.waiting.removeValue(forKey: token) }
        waiting?.resume(returning: error.map { .failure($0) } ?? identity(token))
    }
}
