import BelfryModel

/// How a subscription to a user's queue hands over from backlog to live and back. Pure.
///
/// The backlog is the user's rows of the outbox. What a finished reading saw is `covered`: a live message that it sees
/// is a late copy, and a later reading leaves out what it sees.
struct QueueSplice {
    private enum State {
        /// The channel is not open yet.
        case opening
        case reading(Reading)
        case live(covered: TransactionSnapshot)
        /// No room: live messages are left to PostgreSQL until there is.
        case saturated(covered: TransactionSnapshot)
        case ended
    }

    private static let start = MessageID(rawValue: 0)

    private let bounds: Reading.Bounds
    private var state = State.opening
    private var generation = 0
    /// A reading of all that there is begins with a count of what is unread.
    private let countsUnread: Bool
    /// The next page begins a reading, and the count is to come with it.
    private(set) var wantsCount: Bool

    init(bounds: Reading.Bounds, countsUnread: Bool = false) {
        self.bounds = bounds
        self.countsUnread = countsUnread
        wantsCount = countsUnread
    }

    // MARK: Questions

    var isOpening: Bool { if case .opening = state { true } else { false } }
    var isLive: Bool { if case .live = state { true } else { false } }

    var wantsPage: Bool {
        switch state {
        case .reading(let reading): reading.wantsPage
        case .opening, .live, .saturated, .ended: false
        }
    }

    /// What the last finished reading saw; `nil` when there was none.
    var covered: TransactionSnapshot? {
        switch state {
        case .live(let covered), .saturated(let covered): covered
        case .reading(let reading): reading.covered
        case .opening, .ended: nil
        }
    }

    /// Whether an answer belongs to the request that is out.
    func isCurrent(generation: Int) -> Bool {
        switch state {
        case .reading(let reading): reading.isCurrent(generation: generation)
        case .opening, .live, .saturated, .ended: false
        }
    }

    // MARK: Events

    /// The channel is open (again), or the bus is away and the outbox is all there is: read what was missed.
    mutating func channelOpened() {
        switch exchange(&state, with: .ended) {
        case .opening: begin(covered: nil)
        case .live(let covered): begin(covered: covered)
        case .reading(var reading):
            reading.repeatOnceMore()
            state = .reading(reading)
        case .saturated(let covered): state = .saturated(covered: covered)
        case .ended: break
        }
    }

    /// A reconcile found a row that was neither sent nor is on its way.
    mutating func missedRowFound() {
        switch exchange(&state, with: .ended) {
        case .live(let covered): begin(covered: covered)
        case .opening: state = .opening
        case .reading(let reading): state = .reading(reading)
        case .saturated(let covered): state = .saturated(covered: covered)
        case .ended: break
        }
    }

    /// PostgreSQL came back as another incarnation: what was seen before says nothing about its transactions.
    mutating func incarnationChanged() {
        wantsCount = countsUnread
        readAgain()
    }

    /// The backlog is read from its start, whatever was seen before.
    mutating func readAgain() {
        switch state {
        case .opening, .ended: break
        case .reading, .live, .saturated: begin(covered: nil)
        }
    }

    /// A live message has arrived. `hasRoom` tells whether the subscription may have another one in flight.
    mutating func liveReceived(_ message: inout Message, hasRoom: Bool) -> LiveVerdict {
        switch state {
        case .opening, .saturated, .ended: return .drop
        case .live(let covered):
            if covered.sees(message.xid) { return .drop }
            if hasRoom { return .deliver }
            saturate()
            return .drop
        case .reading(let reading):
            if reading.sees(message.xid) { return .drop }
            return hold(&message)
        }
    }

    private mutating func hold(_ message: inout Message) -> LiveVerdict {
        guard case .reading(var reading) = exchange(&state, with: .ended) else { return .drop }
        let dropped = reading.hold(&message, bounds)
        state = .reading(reading)
        return dropped == nil ? .hold : .drop
    }

    /// The page that is wanted now, if any. Asking marks it as requested.
    mutating func nextPage() -> PageRequest? {
        guard wantsPage, case .reading(var reading) = exchange(&state, with: .ended) else { return nil }
        let page = reading.nextPage(wantsCount: wantsCount)
        state = .reading(reading)
        return page
    }

    /// The count that was asked for is there, with its page. Returns whether it is for now: the answer to a request
    /// that was overtaken is not, and the count is asked for again.
    mutating func countRead(generation: Int) -> Bool {
        guard isCurrent(generation: generation) else { return false }
        return exchange(&wantsCount, with: false)
    }

    /// There is no count to be had: the backlog comes without.
    mutating func countGivenUp() { wantsCount = false }

    /// A page was sent to the client up to and including `last`; `isLast` when no row follows.
    /// Returns the held live messages that follow it, once the reading is through.
    mutating func pageSent(last: MessageID?, snapshot: TransactionSnapshot, isLast: Bool) -> [Message] {
        guard isAwaitingPage, case .reading(var reading) = exchange(&state, with: .ended) else { return [] }
        reading.pageEnded(last: last, snapshot: snapshot)
        guard isLast, let seen = reading.snapshot else {
            state = .reading(reading)
            return []
        }
        if reading.mustRepeat {
            begin(covered: seen)
            return []
        }
        state = .live(covered: seen)
        return reading.takeHeld()
    }

    /// There was no room for the whole page: rows after `last` are read again when there is.
    mutating func pageCutShort(last: MessageID?, snapshot: TransactionSnapshot) {
        guard isAwaitingPage, case .reading(var reading) = exchange(&state, with: .ended) else { return }
        reading.pageEnded(last: last, snapshot: snapshot)
        _ = reading.pause()
        state = .reading(reading)
    }

    /// The page could not be read: it is wanted again.
    mutating func pageFailed() {
        guard isAwaitingPage, case .reading(var reading) = exchange(&state, with: .ended) else { return }
        reading.pageFailed()
        state = .reading(reading)
    }

    /// There was no room for the held messages after the reading: PostgreSQL brings them later.
    mutating func heldCutShort() {
        if isLive { saturate() }
    }

    /// There is room again.
    mutating func roomMade() {
        switch exchange(&state, with: .ended) {
        case .reading(var reading):
            reading.goOn()
            state = .reading(reading)
        case .saturated(let covered): begin(covered: covered)
        case .opening: state = .opening
        case .live(let covered): state = .live(covered: covered)
        case .ended: break
        }
    }

    mutating func ended() { state = .ended }

    // MARK: Transitions

    private var isAwaitingPage: Bool { isCurrent(generation: generation) }

    private mutating func begin(covered: TransactionSnapshot?) {
        generation += 1
        state = .reading(Reading(generation: generation, after: Self.start, covered: covered))
    }

    private mutating func saturate() {
        if case .live(let covered) = exchange(&state, with: .ended) { state = .saturated(covered: covered) }
    }
}
