import Authentication
import BelfryModel
import STOMP

/// Why a client was not let in.
struct AdmissionRefusal: Error {
    let reason: CloseReason
    /// For the developer of the client; it does not help an attacker.
    let sentence: String
}

extension NodeContext {
    /// Takes one of a user's places on this node.
    func admit(_ identity: Identity) -> Result<Identity, AdmissionRefusal> {
        guard occupancy.enter(user: identity.user, atMost: limits.sessionsPerUserOnNodeMax) else {
            return .failure(
                AdmissionRefusal(
                    reason: .tooManySessions,
                    sentence: "this user has \(limits.sessionsPerUserOnNodeMax) sessions on this node already; "
                        + "end one first."))
        }
        return .success(identity)
    }

    /// What a client is told of an authenticator's refusal; the operator reads more in the log.
    ///
    /// - Parameters:
    ///   - session: for the log.
    ///   - address: the client's, for the log.
    func refusal(_ error: AuthenticationError, session: SessionID, address: String?) -> AdmissionRefusal {
        metrics.refusedToken(code: error.code.description)
        logger.info(
            "A client was refused",
            metadata: ["session": "\(session)", "address": "\(address ?? "unknown")", "reason": "\(error.detail)"])
        let reason: CloseReason =
            switch error.code {
            case .unavailable: .authenticationUnavailable
            case .forbidden: .forbidden
            default: .unauthorized
            }
        return AdmissionRefusal(reason: reason, sentence: error.message)
    }
}

extension Credentials {
    /// What a CONNECT shows.
    init(_ request: ConnectRequest, of connection: ClientConnection) {
        self.init(
            token: request.bearerToken, login: request.login, passcode: request.passcode,
            headers: request.headers.map { ($0.name, $0.value) }, fields: connection.fields,
            address: connection.address)
    }

    /// What a SEND to `/app/auth.refresh` shows: the token in its headers as in CONNECT's, else in its body.
    init(refresh request: SendRequest, of connection: ClientConnection) {
        self.init(ConnectRequest(headers: request.headers), of: connection)
        if token == nil, request.body.readableBytes > 0 { token = String(buffer: request.body) }
    }
}
