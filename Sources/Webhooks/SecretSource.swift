import BelfryModel
import Foundation
import Synchronization

/// The secrets of the settings, or of the file that they name, which is read again now and then.
public final class SecretSource: Sendable {
    private static let readInterval: Duration = .seconds(5)

    private struct State {
        var secrets: SigningSecrets?
        /// Why there are none, or no newer ones.
        var problem: String?
        var nextRead = ContinuousClock.now
    }

    private let policy: EscalationPolicy
    private let state = Mutex(State())

    public init(policy: EscalationPolicy) { self.policy = policy }

    /// What is wrong with the settings, before anything is started: a sentence.
    public static func problem(of policy: EscalationPolicy) -> String? {
        if policy.secret != nil, policy.secretFile != nil {
            return "Both escalation.secret and escalation.secretFile are set; one is enough."
        }
        guard policy.secret != nil || policy.secretFile != nil else { return nil }
        if case .failure(let problem) = read(policy) { return problem.description }
        return nil
    }

    /// What to sign with now; a file that became unreadable changes nothing. Else why there is nothing, as a sentence.
    public func current() -> Result<SigningSecrets, WebhookProblem> {
        state.withLock { state in
            if ContinuousClock.now >= state.nextRead {
                state.nextRead = .now + Self.readInterval
                switch Self.read(policy) {
                case .success(let secrets):
                    state.secrets = secrets
                    state.problem = nil
                case .failure(let error): state.problem = error.description
                }
            }
            if let secrets = state.secrets { return .success(secrets) }
            return .failure(WebhookProblem(state.problem ?? "There is no secret."))
        }
    }

    /// What became of the file since, if it can't be used.
    public var problem: String? { state.withLock { $0.problem } }

    private static func read(_ policy: EscalationPolicy) -> Result<SigningSecrets, WebhookProblem> {
        let (setting, text): (String, String)
        if let path = policy.secretFile {
            guard let bytes = FileManager.default.contents(atPath: path),
                let file = String(bytes: bytes, encoding: .utf8)
            else {
                return .failure(WebhookProblem("The file '\(path)' (escalation.secretFile) can't be read."))
            }
            (setting, text) = ("the file '\(path)' (escalation.secretFile)", file)
        } else if let secret = policy.secret {
            (setting, text) = ("escalation.secret", secret)
        } else {
            return .failure(
                WebhookProblem(
                    "The relay has no secret to sign webhooks with: set escalation.secretFile or escalation.secret."))
        }
        do throws(WebhookProblem) {
            return .success(try SigningSecrets(parsing: text))
        } catch {
            return .failure(WebhookProblem("Webhooks can't be signed by \(setting): \(error)."))
        }
    }
}
