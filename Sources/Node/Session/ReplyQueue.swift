import BelfryModel
import NIOCore
import STOMP

/// A session's subscription to `/user/queue/reply`, where what it asked for is answered. Answers are no messages of the
/// log: they are not acknowledged, and do not come again.
final class ReplyQueue {
    /// The name of the queue.
    static let name = "reply"

    let subscription: Subscription
    private var count = 0

    init(_ subscription: Subscription) { self.subscription = subscription }

    /// - Parameter correlation: the request's `correlation-id`.
    func frame(json: String, correlation: String?) -> Frame {
        count += 1
        var frame = Frame(.message, body: ByteBuffer(string: json))
        if let id = subscription.id { frame.headers.append("subscription", id) }
        frame.headers.append("message-id", "reply-\(count)")
        frame.headers.append("destination", "/user/queue/\(Self.name)")
        frame.headers.append("content-type", "application/json")
        if let correlation { frame.headers.append("correlation-id", correlation) }
        return frame
    }
}
