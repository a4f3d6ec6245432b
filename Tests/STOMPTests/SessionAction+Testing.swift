import BelfryModel
import NIOCore
import STOMP

extension SessionAction {
    /// The case without what it holds.
    var name: String {
        switch self {
        case .none: "none"
        case .authenticate: "authenticate"
        case .open: "open"
        case .reply: "reply"
        case .subscribe: "subscribe"
        case .unsubscribe: "unsubscribe"
        case .send: "send"
        case .acknowledge: "acknowledge"
        case .refuse: "refuse"
        case .commit: "commit"
        case .disconnect: "disconnect"
        case .fail: "fail"
        }
    }

    struct Failure {
        let frame: Frame
        let reason: CloseReason
        var body: String { String(buffer: frame.body) }
    }

    /// What `.fail` holds.
    var error: Failure? {
        if case .fail(let frame, let reason) = self { Failure(frame: frame, reason: reason) } else { nil }
    }

    /// What `.authenticate` holds.
    var connectRequest: ConnectRequest? {
        if case .authenticate(let request) = self { request } else { nil }
    }

    /// What `.subscribe` holds.
    var subscriptionRequest: SubscriptionRequest? {
        if case .subscribe(let request) = self { request } else { nil }
    }

    /// What `.acknowledge` or `.refuse` holds.
    var ackRequest: AckRequest? {
        switch self {
        case .acknowledge(let request), .refuse(let request): request
        case .none, .authenticate, .open, .reply, .subscribe, .unsubscribe, .send, .commit, .disconnect, .fail: nil
        }
    }
}

extension SessionMachine {
    /// CONNECT, and its answer.
    mutating func connect(as user: String, _ headers: Headers = ["accept-version": "1.2"]) {
        guard let request = frameReceived(Frame(.connect, headers)).connectRequest else { return }
        _ = authenticated(user: user, for: request)
    }
}
