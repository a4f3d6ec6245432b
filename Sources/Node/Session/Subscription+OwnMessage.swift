import BelfryModel
import NIOCore
import STOMP

extension Subscription {
    /// A MESSAGE of the node's own on a subscription to a queue of the user's. It is not in the log: it has no `ack`
    /// header, and does not come again.
    ///
    /// - Parameters:
    ///   - id: unique over all sessions, as clients know repeats by it, and no message's.
    ///   - json: the body.
    func ownMessage(_ id: String, json: String) -> Frame {
        var frame = Frame(.message, body: ByteBuffer(string: json))
        if let id = self.id { frame.headers.append("subscription", id) }
        frame.headers.append("message-id", id)
        if case .userQueue(let name) = destination { frame.headers.append("destination", "/user/queue/\(name)") }
        frame.headers.append("content-type", "application/json")
        return frame
    }
}
