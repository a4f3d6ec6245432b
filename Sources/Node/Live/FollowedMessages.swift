import BelfryModel
import Bus
import Delivery
import MessageTrace
import NIOCore

/// The messages of one event loop that are traced, from when they come until they are answered: notes what becomes of
/// them. Of all others it is asked little: whether they are traced, once, and nothing while none is. Used on its event
/// loop only.
final class FollowedMessages {
    /// Messages that are followed at once; of further ones only the beginning is noted.
    static let messagesMax = 10_000
    /// Sessions of one message that are followed: a broadcast may go to all of a node.
    static let sessionsMax = 16
    /// Time after which a message is not followed any more, whatever becomes of it.
    private static let followedFor = TimeAmount.minutes(15)
    private static let tickPause = TimeAmount.minutes(1)

    /// One message.
    private struct Followed {
        let choice: TraceRecorder.Choice
        let address: Address
        let publication: MessageSpan.Publication
        let bodyBytes: Int
        let since: NIODeadline
        var sessionsLeft = FollowedMessages.sessionsMax
        /// When it was sent to those who have not answered, in nanoseconds since 1970.
        var sent: [SessionID: UInt64] = [:]
    }

    private let recorder: TraceRecorder
    private var messages: [MessageID: Followed] = [:]
    /// Of these, those of which their ids do not tell that they are traced.
    private var othersCount = 0
    private var nextTick = NIODeadline.now() + FollowedMessages.tickPause

    init(_ recorder: TraceRecorder) { self.recorder = recorder }

    var count: Int { messages.count }

    // MARK: What becomes of them

    /// A message came from the bus. Returns whether it is traced.
    func received(_ envelope: Envelope, for address: Address, atMilliseconds now: Int64) -> Bool {
        guard recorder.isOn else { return false }
        let isSlow = recorder.isSlow(ageMilliseconds: now - envelope.createdAtMicroseconds / 1_000)
        guard recorder.mayWant(envelope.id, hasHeaders: envelope.headerLines.readableBytes > 0) || isSlow,
            let choice = choice(envelope.id, envelope.headerLines, address, envelope.body)
                ?? (isSlow && recorder.takesSlow() ? TraceRecorder.Choice(.slow) : nil)
        else { return false }
        follow(
            envelope.id, choice, address, MessageSpan.Publication(xid: envelope.xid, term: envelope.origin.term),
            bodyBytes: envelope.body.readableBytes)
        recorder.note(envelope.id, .received, choice.reason, [("term", "\(envelope.origin.term)")])
        return true
    }

    /// A message was appended to what goes to a session.
    func sent(_ message: Message, isRedelivered: Bool, on consumer: Consumer) {
        guard recorder.isOn else { return }
        if messages[message.id] == nil {
            // From the backlog, or in the way of a reconcile.
            guard message.tracing == .undecided,
                recorder.mayWant(message.id, hasHeaders: message.headerLines.readableBytes > 0),
                let choice = choice(message.id, message.headerLines, consumer.address, message.body)
            else { return }
            follow(
                message.id, choice, consumer.address, MessageSpan.Publication(xid: message.xid, term: 0),
                bodyBytes: message.body.readableBytes)
        }
        guard var followed = messages[message.id], followed.sessionsLeft > 0 else { return }
        followed.sessionsLeft -= 1
        followed.sent[consumer.session.id] = SpanClock.now
        messages[message.id] = followed
        let isOfBacklog = message.tracing == .undecided
        recorder.note(
            message.id, .sent, followed.choice.reason,
            Self.details(of: consumer) + (isRedelivered ? [("redelivered", "true")] : [])
                + (isOfBacklog ? [("from", "backlog")] : []))
    }

    /// A client has acknowledged these or, in mode `auto`, the socket took them.
    func acknowledged(_ stamps: [MessageStamp], on consumer: Consumer) {
        guard recorder.isOn else { return }
        for stamp in stamps where !answered(stamp.id, .acknowledged, .done, on: consumer) && recorder.looksAtAges {
            noteIfSlow(stamp, on: consumer)
        }
    }

    /// A client has refused these, which is noted of all.
    func refused(_ stamps: [MessageStamp], on consumer: Consumer) {
        guard recorder.isOn else { return }
        for stamp in stamps where !answered(stamp.id, .refused, .failed("NACK"), on: consumer) {
            recorder.note(stamp.id, .refused, .failed, Self.details(of: consumer))
        }
    }

    /// A session, or a subscription of it, has ended, or has left these unanswered for too long.
    func gaveBack(_ stamps: [MessageStamp], on consumer: Consumer) {
        guard !messages.isEmpty else { return }
        for stamp in stamps { _ = answered(stamp.id, .givenBack, .unanswered, on: consumer) }
    }

    /// Marks were written.
    func marked(_ ids: some Sequence<MessageID>, except held: [MessageID]) {
        guard !messages.isEmpty else { return }
        for id in ids where isFollowed(id) && !held.contains(id) {
            guard let followed = messages[id] else { continue }
            recorder.note(id, .marked, followed.choice.reason)
            if followed.sent.isEmpty { forget(id) }
        }
    }

    /// Messages were parked, as clients refused them too often.
    func parked(_ ids: [MessageID]) {
        for id in ids { recorder.note(id, .parked, .failed, [("reason", "refused by NACK too often")]) }
    }

    /// Time has passed.
    func tick(at now: NIODeadline) {
        guard !messages.isEmpty, now >= nextTick else { return }
        nextTick = now + Self.tickPause
        for (id, followed) in messages where followed.since + Self.followedFor < now {
            for sent in followed.sent.values { addSpan(id, followed, sentAt: sent, .unanswered, []) }
            forget(id)
        }
    }

    // MARK: Which they are

    private func choice(
        _ id: MessageID, _ headerLines: ByteBuffer, _ address: Address, _ body: ByteBuffer
    ) -> TraceRecorder.Choice? {
        let receiver: String? = if case .user(let user) = address { user } else { nil }
        return headerLines.withUnsafeReadableBytes { headerLines in
            body.withUnsafeReadableBytes {
                recorder.choice(of: id, headerLines: headerLines, receiver: receiver, body: $0)
            }
        }
    }

    private func follow(
        _ id: MessageID, _ choice: TraceRecorder.Choice, _ address: Address, _ publication: MessageSpan.Publication,
        bodyBytes: Int
    ) {
        guard messages.count < Self.messagesMax || messages[id] != nil else { return }
        // Published once more, it begins anew.
        forget(id)
        messages[id] = Followed(
            choice: choice, address: address, publication: publication, bodyBytes: bodyBytes, since: .now())
        if !recorder.isSampled(id) { othersCount += 1 }
    }

    private func forget(_ id: MessageID) {
        guard messages.removeValue(forKey: id) != nil else { return }
        if !recorder.isSampled(id) { othersCount -= 1 }
    }

    /// A message may be followed: what is asked of each that is answered.
    private func isFollowed(_ id: MessageID) -> Bool {
        (othersCount > 0 || recorder.isSampled(id)) && messages[id] != nil
    }

    /// Returns whether it is followed to that session.
    private func answered(
        _ id: MessageID, _ what: Hop.What, _ outcome: MessageSpan.Outcome, on consumer: Consumer
    ) -> Bool {
        guard !messages.isEmpty, isFollowed(id), let sent = messages[id]?.sent.removeValue(forKey: consumer.session.id),
            let followed = messages[id]
        else { return false }
        recorder.note(id, what, followed.choice.reason, Self.details(of: consumer))
        addSpan(id, followed, sentAt: sent, outcome, Self.details(of: consumer))
        return true
    }

    private func noteIfSlow(_ stamp: MessageStamp, on consumer: Consumer) {
        guard recorder.isSlow(ageMilliseconds: UnixTime.milliseconds - stamp.createdAtMicroseconds / 1_000),
            recorder.takesSlow()
        else { return }
        recorder.note(stamp.id, .acknowledged, .slow, Self.details(of: consumer))
    }

    private func addSpan(
        _ id: MessageID, _ followed: Followed, sentAt: UInt64, _ outcome: MessageSpan.Outcome,
        _ details: @autoclosure () -> [(name: String, value: String)]
    ) {
        guard recorder.makesSpans, let parent = followed.choice.parent else { return }
        recorder.add(
            MessageSpan(
                .deliver, parent: parent, message: id, address: followed.address, publication: followed.publication,
                start: sentAt, end: max(sentAt, SpanClock.now), outcome: outcome, bodyBytes: followed.bodyBytes,
                details().map { MessageSpan.Attribute("belfry.\($0.name)", .text($0.value)) }))
    }

    private static func details(of consumer: Consumer) -> [(name: String, value: String)] {
        [
            ("session", consumer.session.id.description), ("transport", consumer.session.connection.transport),
            ("user", consumer.session.user ?? ""),
        ]
    }
}
