import BelfryModel
import Commands
import NIOCore
import STOMP

/// A session's subscription to `/user/queue/reply`, where what it asked for is answered. Answers are no messages of the
/// log: they are not acknowledged, and do not come again.
final class ReplyQueue {
    /// The name of the queue.
    static let name = "reply"
    /// The pause between two lines in the log on why commands of one session are refused: they cost it nothing.
    private static let notePause = TimeAmount.seconds(10)

    let subscription: Subscription
    private let session: SessionID
    private var count = 0
    private var nextNote: NIODeadline?

    init(_ subscription: Subscription, of session: SessionID) {
        self.subscription = subscription
        self.session = session
    }

    /// - Parameter correlation: the request's `correlation-id`.
    func answer(_ reply: CommandReply, correlation: String?) -> Frame {
        frame(json: reply.json, correlation: correlation)
    }

    /// - Parameter correlation: the request's `correlation-id`, by which its client knows what was refused.
    func answer(_ refusal: CommandRefusal, correlation: String) -> Frame {
        var frame = frame(json: refusal.json, correlation: correlation)
        frame.headers.append("error", refusal.code.name)
        return frame
    }

    private func frame(json: String, correlation: String?) -> Frame {
        count += 1
        var frame = subscription.ownMessage("\(Self.name)-\(session)-\(subscription.number)-\(count)", json: json)
        if let correlation { frame.headers.append("correlation-id", correlation) }
        return frame
    }

    /// Whether the log may have a line on a refusal now.
    func mayNote(at now: NIODeadline) -> Bool {
        if let nextNote, now < nextNote { return false }
        nextNote = now + Self.notePause
        return true
    }
}
