import BelfryModel

/// One reading of a backlog, under one snapshot, and the live messages that wait for its end: what queues and topics
/// share.
///
/// One rule makes the splice exact: what the snapshot sees is the pages' business, and a live copy of it is dropped;
/// what it does not see comes live and is held until the pages are through.
struct Reading {
    /// What may wait.
    struct Bounds {
        /// Live messages kept while the backlog is read; more, and it is read once more.
        let heldMax: Int
        /// Bytes that they hold.
        let heldBytesMax: Int
    }

    /// Tells it from the other readings of its subscription.
    let generation: Int
    /// What an earlier reading covered and this one leaves out.
    let covered: TransactionSnapshot?
    /// Under which it is done; `nil` before its first page is there.
    private(set) var snapshot: TransactionSnapshot?
    private var after: MessageID
    private var held: [Message] = []
    private var heldBytes = 0
    /// Live messages were dropped meanwhile, or the bus was away: the outbox is to be read once more.
    private(set) var mustRepeat = false
    private var isRequested = false
    /// No page is asked for until there is room for its rows.
    private var isPaused = false

    init(generation: Int, after: MessageID, covered: TransactionSnapshot?) {
        self.generation = generation
        self.after = after
        self.covered = covered
    }

    // MARK: Pages

    var wantsPage: Bool { !isRequested && !isPaused }

    /// The page that is wanted now, if any. Asking marks it as requested.
    mutating func nextPage(wantsCount: Bool = false) -> PageRequest? {
        guard wantsPage else { return nil }
        isRequested = true
        return PageRequest(
            after: after, snapshot: snapshot, covered: covered, wantsCount: wantsCount, generation: generation)
    }

    /// Whether an answer belongs to the request that is out.
    func isCurrent(generation: Int) -> Bool { isRequested && generation == self.generation }

    /// A page was dealt with up to and including the row `last`.
    mutating func pageEnded(last: MessageID?, snapshot: TransactionSnapshot) {
        isRequested = false
        if let last { after = last }
        // The first page's snapshot is the reading's; what it sees comes by pages and need not be held.
        guard self.snapshot == nil else { return }
        self.snapshot = snapshot
        held.removeAll { snapshot.sees($0.xid) }
        heldBytes = held.reduce(0) { $0 + $1.keptBytes }
    }

    mutating func pageFailed() { isRequested = false }

    /// There is no room. Nothing is held until there is: that may be long, and a client has many subscriptions.
    ///
    /// - Returns: what was held and is dropped.
    mutating func pause() -> [Message] {
        isPaused = true
        if !held.isEmpty { mustRepeat = true }
        return takeHeld()
    }

    mutating func goOn() { isPaused = false }

    /// The outbox is to be read once more after this reading.
    mutating func repeatOnceMore() { mustRepeat = true }

    // MARK: Live messages

    /// Whether a live message is the pages' business, or was an earlier reading's.
    func sees(_ xid: UInt64) -> Bool { (snapshot ?? covered)?.sees(xid) ?? false }

    /// Keeps a live message until the pages are through.
    ///
    /// - Parameter message: has memory of its own afterwards, which others that hold it too can share.
    /// - Returns: `nil`, or what is dropped for want of room: everything held, and the message.
    mutating func hold(_ message: inout Message, _ bounds: Bounds) -> [Message]? {
        let bytes = heldBytes + message.keptBytes
        guard !mustRepeat, !isPaused, held.count < bounds.heldMax, bytes <= bounds.heldBytesMax else {
            mustRepeat = true
            return takeHeld() + [message]
        }
        message.keep()
        held.append(message)
        heldBytes = bytes
        return nil
    }

    /// The live messages that waited, in their order.
    mutating func takeHeld() -> [Message] {
        heldBytes = 0
        return exchange(&held, with: [])
    }
}
