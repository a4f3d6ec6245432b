import Authentication
import BelfryModel
import STOMP

/// Why a CONNECT was refused.
struct AdmissionRefusal: Error {
    let reason: CloseReason
    /// For the developer of the client; it does not help an attacker.
    let sentence: String
}

extension NodeContext {
    /// Checks the token of a CONNECT, and takes one of its user's places on this node.
    ///
    /// - Parameters:
    ///   - session: for the log.
    ///   - address: the client's, for the log.
    func admit(_ request: ConnectRequest, session: SessionID, address: String?) -> Result<Identity, AdmissionRefusal> {
        do throws(AuthenticationError) {
            let identity = try authenticator.authenticate(request.bearerToken ?? "")
            guard occupancy.enter(user: identity.user, atMost: limits.sessionsPerUserMax) else {
                return .failure(
                    AdmissionRefusal(
                        reason: .tooManySessions,
                        sentence:
                            "this user has \(limits.sessionsPerUserMax) sessions on this node already; end one first."))
            }
            return .success(identity)
        } catch {
            metrics.refusedToken(code: error.code.description)
            logger.info(
                "A token was refused",
                metadata: [
                    "session": "\(session)", "address": "\(address ?? "unknown")", "reason": "\(error.detail)",
                ])
            return .failure(AdmissionRefusal(reason: .unauthorized, sentence: error.message))
        }
    }
}
