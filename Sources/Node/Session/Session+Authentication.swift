import Authentication
import BelfryModel
import Foundation
import NIOCore
import STOMP

/// Who a session belongs to, and for how long.
extension Session {
    /// Where a client sends a new token before the old one expires.
    static let refreshDestination = "/app/auth.refresh"

    /// CONNECT came.
    func authenticate(_ request: ConnectRequest) {
        whenKnown(Credentials(request, of: connection)) { answer in
            switch answer.mapError(self.refusal).flatMap(self.mayComeBack).flatMap(self.worker.context.admit) {
            case .success(let identity): self.authenticated(identity, for: request)
            case .failure(let refusal): self.authenticationFailed(refusal)
            }
        }
    }

    /// A SEND to `/app/auth.refresh` came: the session goes on with the rights, and until the expiry, of a new token of
    /// its user's. Its RECEIPT tells until when.
    func refresh(_ request: SendRequest) {
        whenKnown(Credentials(refresh: request, of: connection)) { answer in
            switch answer.mapError(self.refusal).flatMap(self.mayComeBack).flatMap(self.mayBecome) {
            case .success(let identity): self.refreshed(identity, receipt: request.receipt)
            case .failure(let refusal):
                self.refuse(
                    refusal.reason, "\(Self.refreshDestination): \(refusal.sentence)", message: refusal.reason.text,
                    command: .send, receipt: request.receipt)
            }
        }
    }

    private func refusal(_ error: AuthenticationError) -> AdmissionRefusal {
        worker.context.refusal(error, session: id, address: connection.address)
    }

    /// No operator has refused the token.
    private func mayComeBack(_ identity: Identity) -> Result<Identity, AdmissionRefusal> {
        guard worker.context.refusedTokens.contains(identity) else { return .success(identity) }
        return .failure(
            AdmissionRefusal(reason: .unauthorized, sentence: "an operator has refused this token; get another."))
    }

    /// The session stays its user's, and is subscribed to nothing that the new token does not allow.
    private func mayBecome(_ identity: Identity) -> Result<Identity, AdmissionRefusal> {
        guard let user, user.utf8.elementsEqual(identity.user.utf8) else {
            return .failure(
                AdmissionRefusal(
                    reason: .forbidden, sentence: "the token is another user's; open another connection for it."))
        }
        for consumer in consumers.values where !identity.rights.maySubscribe(to: consumer.subscription) {
            let topic = if case .topic(let name) = consumer.address { "/topic/\(name)" } else { "" }
            return .failure(
                AdmissionRefusal(
                    reason: .forbidden,
                    sentence: "the token does not allow the topic '\(topic)', to which the session is subscribed; "
                        + "UNSUBSCRIBE first."))
        }
        return .success(identity)
    }

    /// Has it found out whose the credentials are, and then runs `body`, once; not any more when the session has ended.
    /// Until then no further frame of the client's is dealt with.
    private func whenKnown(
        _ credentials: Credentials, _ answered: @escaping @Sendable (Result<Identity, AuthenticationError>) -> Void
    ) {
        let token = worker.context.fingerprint(credentials)
        let body: @Sendable (Result<Identity, AuthenticationError>) -> Void = { answer in
            answered(
                answer.map { identity in
                    var identity = identity
                    identity.token = token
                    return identity
                })
        }
        switch worker.context.authenticator.authenticate(credentials) {
        case .now(let answer): body(answer)
        case .later(let question):
            let context = worker.context
            guard context.authentications.enter() else {
                return body(
                    .failure(
                        AuthenticationError(
                            .unavailable, "too many clients are being checked now; connect again later.",
                            detail: "More than \(context.limits.authenticationsMax) clients were waiting to be "
                                + "checked (limits.authenticationsMax).")))
            }
            let answer = worker.eventLoop.makePromise(of: Result<Identity, AuthenticationError>.self)
            // The place is free again when nothing is under way any more, however the session fares.
            let task = Task {
                let result = await question()
                context.authentications.leave()
                answer.succeed(result)
            }
            authenticationBegan { task.cancel() }
            answer.futureResult.whenSuccess { result in
                guard self.authenticationAnswered() else { return }
                body(result)
                self.goOn()
            }
        }
    }

    // MARK: What comes of it

    /// Somebody is asked whose the session is, until `authenticationAnswered`.
    private func authenticationBegan(cancel: @escaping () -> Void) {
        cancelAuthentication = cancel
        inbound.authenticationBegan()
        times.authenticationBegan(at: .now())
        worker.sessions.file(self)
    }

    /// The answer is there. Returns whether anybody still wants to know.
    private func authenticationAnswered() -> Bool {
        cancelAuthentication = nil
        inbound.authenticationAnswered()
        times.authenticationAnswered()
        if times.hasExpired(at: .now()) { expire() }
        return !isClosing
    }

    /// CONNECT was accepted, and the user's place taken.
    private func authenticated(_ identity: Identity, for request: ConnectRequest) {
        take(identity)
        worker.presence.opened(self)
        run(machine.authenticated(user: identity.user, expiry: identity.expiryHeaders(), for: request))
    }

    private func authenticationFailed(_ refusal: AdmissionRefusal) {
        run(machine.authenticationFailed(refusal.reason, refusal.sentence))
    }

    /// A new token of the same user's was accepted.
    private func refreshed(_ identity: Identity, receipt: String?) {
        take(identity)
        worker.presence.opened(self)
        worker.context.metrics.refreshedToken()
        worker.sessions.file(self)
        guard let receipt else { return }
        var frame = machine.receipt(for: receipt)
        for header in identity.expiryHeaders() { frame.headers.append(header) }
        write(frame)
    }

    private func take(_ identity: Identity) {
        self.identity = identity
        times.authenticated(
            until: identity.expiresAt.map { .now() + .milliseconds(Int64($0.timeIntervalSinceNow * 1_000)) })
    }

    /// The time of its token is over. The user, or what the user may see, may have changed: nothing that waits for the
    /// client is sent any more.
    func expire() {
        guard !isClosing else { return }
        if outbound.discard() { return fail(.tokenExpired) }
        machine.connectionClosed()
        end(.tokenExpired)
        outbound.abort()
    }

    /// Deals with what has waited for an answer.
    private func goOn() {
        if !isClosing { decode() }
        worker.flushQueue.flush()
    }
}

extension Identity {
    /// Headers of CONNECTED, and of the RECEIPT of a refresh, that tell until when the session lasts.
    ///
    /// Both in milliseconds: `expires-at` since 1970, for logs and for comparing; `expires-in` from now, for a client
    /// whose clock is wrong.
    func expiryHeaders(now: Date = Date()) -> [Header] {
        guard let expiresAt else { return [] }
        // In the year 9999 at the latest, and not before the year 1.
        let milliseconds = Int64(expiresAt.timeIntervalSince1970 * 1_000)
        let left = max(0, Int64(expiresAt.timeIntervalSince(now) * 1_000))
        return [Header("expires-at", "\(milliseconds)"), Header("expires-in", "\(left)")]
    }
}

extension Rights {
    /// A user's own queue is always theirs.
    func maySubscribe(to subscription: Subscription) -> Bool {
        switch subscription.destination {
        case .userQueue: true
        case .topic(let name): maySubscribe(to: "/topic/\(name)")
        }
    }
}
