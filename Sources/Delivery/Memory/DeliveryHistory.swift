import BelfryModel
import NIOCore

/// What the sessions of one event loop have answered and handed back of late: what comes again is a repeat, or is
/// marked `redelivered`, whatever the row said that was read before the mark.
///
/// One for all users of a loop, as a user's next session must know what his last one did. What is not committed yet is
/// not forgotten. Pure; used on its event loop only.
public final class DeliveryHistory: @unchecked Sendable {
    private static let entriesMax = 200_000
    /// A reading that takes longer may have begun before the marks of what it brings.
    private static let longReading = TimeAmount.seconds(5)

    private var answered: RecentMessages
    private var handedBack: RecentMessages
    private let marks: (any UncommittedMarks)?

    /// - Parameter marks: of the same event loop.
    public init(now: NIODeadline, marks: (any UncommittedMarks)?) {
        self.answered = RecentMessages(entriesMax: Self.entriesMax, now: now)
        self.handedBack = RecentMessages(entriesMax: Self.entriesMax, now: now)
        self.marks = marks
    }

    // MARK: Questions

    /// Whether a client has acknowledged or refused the message as stamped.
    public func isAnswered(_ stamp: MessageStamp) -> Bool {
        answered.contains(stamp)
            || marks?.holdsAnswer(stamp.id, createdAtMicroseconds: stamp.createdAtMicroseconds) ?? false
    }

    /// The same where the time of writing is not known.
    public func isAnswered(_ id: MessageID, xid: UInt64) -> Bool {
        answered.contains(id, xid: xid) || marks?.holdsAnswer(id, createdAtMicroseconds: nil) ?? false
    }

    /// Whether the message was shown to a session of this loop that did not keep it.
    public func wasHandedBack(_ stamp: MessageStamp) -> Bool {
        !handedBack.isEmpty && handedBack.knows(stamp) || marks?.holdsGivenBack(stamp.id) ?? false
    }

    // MARK: Events

    /// A client has acknowledged the message.
    public func acknowledged(_ stamp: MessageStamp) {
        answered.insert(stamp, keeping: { marks?.pending.answered ?? [] })
    }

    /// A client has refused the message: it comes again, stamped anew.
    public func refused(_ stamp: MessageStamp) {
        acknowledged(stamp)
        gaveBack(stamp)
    }

    /// A subscription has ended before its client answered the message.
    public func gaveBack(_ stamp: MessageStamp) {
        handedBack.insert(stamp, keeping: { marks?.pending.handedBack ?? [] })
    }

    /// A refusal has been committed: the next copy is no repeat, whatever its transaction id is in this incarnation.
    public func refusalCommitted(_ id: MessageID) { answered.forgetIfEarlier(id) }

    /// PostgreSQL came back as another incarnation. What was acknowledged may come again, if its mark was lost, and
    /// then says that it was shown before; what is not marked yet does not come again.
    public func incarnationChanged() {
        answered.incarnationChanged()
        handedBack.formUnion(answered)
        answered.forgetEarlierIncarnations(keeping: marks?.pending.answered ?? [])
    }

    /// Time has passed.
    ///
    /// - Parameter readingSince: when the reading of a backlog that is under way was begun; `nil` while none is.
    public func tick(at now: NIODeadline, readingSince: NIODeadline?) {
        if let readingSince, now - readingSince >= Self.longReading { return }
        answered.tick(at: now, keeping: { marks?.pending.answered ?? [] })
        handedBack.tick(at: now, keeping: { marks?.pending.handedBack ?? [] })
    }
}
