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
        case .acknowledge: "acknowledge"
        case .refuse: "refuse"
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
        case .none, .authenticate, .open, .reply, .subscribe, .unsubscribe, .disconnect, .fail: nil
        }
    }
}
