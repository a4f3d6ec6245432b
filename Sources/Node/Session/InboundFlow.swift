import BelfryModel
import NIOCore

/// Whether a session reads from its peer: not while the peer's turn is over, nor while it leaves too much of what was
/// written for it unread, nor while PostgreSQL is to take its acknowledgements, or what it sends, first. Pure.
struct InboundFlow {
    /// Bytes that a peer may send while it is being found out who it is, before it is not read from any more. Up to
    /// here it is, so that its end is seen, and its pings are answered.
    static let unansweredBytesMax = 16 * 1024

    private let receiptsOwedMax: Int
    private let heldBytesMax: Int
    /// What the peer may have done before the others on the loop have their turn.
    private var turn = Turn()
    /// Its turn is over, and the next one has not come.
    private(set) var isTurnOver = false
    /// Frames come faster than they may.
    private(set) var isOverRate = false
    private var rate: FrameRate
    /// The transport was told to stop reading: the peer's silence says nothing.
    private(set) var isPaused = false
    /// Somebody is asked who the peer is.
    private var isAuthenticating = false
    /// What the peer has sent since.
    private var unansweredBytes = 0
    /// Receipts that wait for marks to be committed, and commands that are under way.
    private var receiptsOwed = 0
    /// Bytes that these commands hold.
    private var heldBytes = 0

    init(limits: Limits, now: NIODeadline) {
        rate = FrameRate(perSecond: limits.framesPerSecondMax, now: now)
        receiptsOwedMax = limits.receiptsOwedMax
        heldBytesMax = limits.sessionSendsPendingBytesMax
    }

    /// Whether the next frame can be dealt with now.
    var takesFrames: Bool { !isTurnOver && !isOverRate && !isAuthenticating && hasRoom }

    private var hasRoom: Bool { receiptsOwed < receiptsOwedMax && heldBytes < heldBytesMax }

    /// A frame of the peer's was dealt with. Returns whether its turn is over by that.
    mutating func frameHandled() -> Bool {
        guard !turn.spend(), !isTurnOver else { return false }
        isTurnOver = true
        return true
    }

    /// A frame of STOMP came. Returns whether the peer has to wait now, as it sends faster than it may.
    mutating func frameTaken(now: @autoclosure () -> NIODeadline) -> Bool {
        guard !rate.spend(now: now()), !isOverRate else { return false }
        isOverRate = true
        return true
    }

    /// Time has passed. Returns whether the wait is over.
    mutating func rateRenewed(at now: NIODeadline) -> Bool {
        isOverRate = !rate.renew(at: now)
        return !isOverRate
    }

    /// The end of one read of the transport: the next one is another turn.
    mutating func readCompleted() {
        if !isTurnOver { turn.reset() }
    }

    /// The next turn has come.
    mutating func turnCame() {
        isTurnOver = false
        turn.reset()
    }

    /// Somebody is asked, and what the peer sends waits for the answer.
    mutating func authenticationBegan() {
        isAuthenticating = true
        unansweredBytes = 0
    }

    mutating func bytesReceived(_ count: Int) {
        if isAuthenticating { unansweredBytes &+= count }
    }

    /// The answer is there.
    mutating func authenticationAnswered() { isAuthenticating = false }

    /// - Parameter bytes: held until it is paid.
    mutating func receiptOwed(bytes: Int = 0) {
        receiptsOwed += 1
        heldBytes += bytes
    }

    /// The wait for a receipt is over. Returns whether frames that waited for that can be dealt with now.
    mutating func receiptPaid(bytes: Int = 0) -> Bool {
        let wereBytesOverHalf = heldBytes > heldBytesMax / 2
        receiptsOwed -= 1
        heldBytes -= bytes
        return receiptsOwed == receiptsOwedMax / 2 || wereBytesOverHalf && heldBytes <= heldBytesMax / 2
    }

    /// Whether to read was looked at anew.
    ///
    /// - Parameters:
    ///   - isClosing: only the peer's farewell is awaited.
    ///   - isHeldUp: the peer, or PostgreSQL, is to take something first.
    /// - Returns: whether the transport is to read from now on; `nil` when it is told so already.
    mutating func changed(isClosing: Bool, isHeldUp: Bool) -> Bool? {
        let isPatient = !isAuthenticating || unansweredBytes <= Self.unansweredBytesMax
        let isFree = isPatient && hasRoom && !isOverRate && !isHeldUp
        let mayRead = !isTurnOver && (isClosing || isFree)
        guard mayRead == isPaused else { return nil }
        isPaused = !mayRead
        return mayRead
    }
}
