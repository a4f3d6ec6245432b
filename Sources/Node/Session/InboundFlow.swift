import BelfryModel

/// Whether a session reads from its peer: not while the peer's turn is over, nor while it leaves too much of what was
/// written for it unread, nor while PostgreSQL is to take its acknowledgements first. Pure.
struct InboundFlow {
    private let receiptsOwedMax: Int
    /// What the peer may have done before the others on the loop have their turn.
    private var turn = Turn()
    /// Its turn is over, and the next one has not come.
    private(set) var isTurnOver = false
    /// The transport was told to stop reading: the peer's silence says nothing.
    private(set) var isPaused = false
    /// Receipts that wait for marks to be committed, and commands that are under way.
    private var receiptsOwed = 0

    init(limits: Limits) { receiptsOwedMax = limits.receiptsOwedMax }

    /// Whether the next frame can be dealt with now.
    var takesFrames: Bool { !isTurnOver && receiptsOwed < receiptsOwedMax }

    /// A frame of the peer's was dealt with. Returns whether its turn is over by that.
    mutating func frameHandled() -> Bool {
        guard !turn.spend(), !isTurnOver else { return false }
        isTurnOver = true
        return true
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

    mutating func receiptOwed() { receiptsOwed += 1 }

    /// The wait for a receipt is over. Returns whether frames that waited for that can be dealt with now.
    mutating func receiptPaid() -> Bool {
        receiptsOwed -= 1
        return receiptsOwed == receiptsOwedMax / 2
    }

    /// Whether to read was looked at anew.
    ///
    /// - Parameters:
    ///   - isClosing: only the peer's farewell is awaited.
    ///   - isHeldUp: the peer, or PostgreSQL, is to take something first.
    /// - Returns: whether the transport is to read from now on; `nil` when it is told so already.
    mutating func changed(isClosing: Bool, isHeldUp: Bool) -> Bool? {
        let mayRead = !isTurnOver && (isClosing || receiptsOwed < receiptsOwedMax && !isHeldUp)
        guard mayRead == isPaused else { return nil }
        isPaused = !mayRead
        return mayRead
    }
}
