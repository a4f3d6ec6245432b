import BelfryModel

/// How a subscription to a topic hands over from what was broadcast before to live and back. Pure.
///
/// The past is read from the log by id, from the greatest id delivered on; without one a topic has no past. Ids do not
/// commit in their order, so a message may come with a lower one: no page brings such a straggler by itself. It is
/// delivered out of its turn, or its id is kept until a reading has brought it.
struct TopicSplice {
    private enum State {
        /// The channel is not open yet.
        case opening
        /// `start`: the greatest id delivered when the reading began.
        case reading(Reading, start: MessageID)
        case live
        /// No room: live messages are left to PostgreSQL until there is.
        case saturated
        case ended
    }

    /// What a finished reading has brought: the rows above `start` that `snapshot` sees.
    private struct Coverage {
        let start: MessageID
        let snapshot: TransactionSnapshot
    }

    /// Late copies of what an earlier reading brought are told by the latest few.
    private static let coveragesMax = 64
    private static let droppedMax = 10_000

    private let bounds: Reading.Bounds
    private var state = State.opening
    private var generation = 0
    /// The greatest id delivered, or the one after which the client asked for everything.
    private var last: MessageID?
    private var coverages: [Coverage] = []
    /// Ids of messages that came live and were dropped for want of room while a reading went on.
    private var dropped: Set<MessageID> = []

    /// - Parameter after: the log's rows with greater ids come first; `nil` for live messages only.
    init(after: MessageID?, bounds: Reading.Bounds) {
        self.last = after
        self.bounds = bounds
    }

    // MARK: Questions

    var isOpening: Bool { if case .opening = state { true } else { false } }
    var isLive: Bool { if case .live = state { true } else { false } }

    var wantsPage: Bool {
        switch state {
        case .reading(let reading, _): reading.wantsPage
        case .opening, .live, .saturated, .ended: false
        }
    }

    /// Whether an answer belongs to the request that is out.
    func isCurrent(generation: Int) -> Bool {
        switch state {
        case .reading(let reading, _): reading.isCurrent(generation: generation)
        case .opening, .live, .saturated, .ended: false
        }
    }

    /// Whether a row of a page is to be sent: not what came live before.
    func brings(_ id: MessageID) -> Bool { !isStraggler(id) || dropped.contains(id) }

    // MARK: Events

    /// The channel is open (again), or the bus is away and PostgreSQL is all there is: read what was missed.
    mutating func channelOpened() {
        switch exchange(&state, with: .ended) {
        case .opening, .live: begin()
        case .reading(var reading, let start):
            reading.repeatOnceMore()
            state = .reading(reading, start: start)
        case .saturated: state = .saturated
        case .ended: break
        }
    }

    /// PostgreSQL came back as another incarnation: what was seen before says nothing about its transactions.
    mutating func incarnationChanged() {
        coverages.removeAll()
        switch state {
        case .opening, .ended: break
        case .reading, .live, .saturated: begin()
        }
    }

    /// A live message has arrived. `hasRoom` tells whether the subscription may have another one in flight.
    mutating func liveReceived(_ message: inout Message, hasRoom: Bool) -> LiveVerdict {
        if isCovered(message) { return .drop }
        switch state {
        case .opening, .ended: return .drop
        case .saturated: return passesBy(message, hasRoom: hasRoom) ? .deliver : .drop
        case .live:
            if hasRoom { return .deliver }
            if isStraggler(message.id) { leaveOut([message]) }
            state = .saturated
            return .drop
        case .reading: return liveReceivedWhileReading(&message, hasRoom: hasRoom)
        }
    }

    private mutating func liveReceivedWhileReading(_ message: inout Message, hasRoom: Bool) -> LiveVerdict {
        guard case .reading(var reading, let start) = exchange(&state, with: .ended) else { return .drop }
        var verdict = LiveVerdict.drop
        if isStraggler(message.id), message.id <= start {
            if passesBy(message, hasRoom: hasRoom) { verdict = .deliver } else { reading.repeatOnceMore() }
        } else if !reading.sees(message.xid) {
            if let dropped = reading.hold(&message, bounds) { leaveOut(dropped) } else { verdict = .hold }
        }
        state = .reading(reading, start: start)
        return verdict
    }

    /// A straggler is delivered at once if there is room, unless it may have to come after one that is read again.
    private mutating func passesBy(_ message: Message, hasRoom: Bool) -> Bool {
        guard isStraggler(message.id) else { return false }
        if hasRoom, dropped.min().map({ message.id <= $0 }) ?? true { return true }
        leaveOut([message])
        return false
    }

    /// A message that no reading from now on brings by its id.
    private func isStraggler(_ id: MessageID) -> Bool { last.map { id <= $0 } ?? false }

    /// A late copy of what a finished reading has brought.
    private func isCovered(_ message: Message) -> Bool {
        coverages.last { $0.start < message.id }?.snapshot.sees(message.xid) ?? false
    }

    /// The page that is wanted now, if any. Asking marks it as requested.
    mutating func nextPage() -> PageRequest? {
        guard wantsPage, case .reading(var reading, let start) = exchange(&state, with: .ended) else { return nil }
        let page = reading.nextPage()
        state = .reading(reading, start: start)
        return page
    }

    /// A page was sent to the client up to and including `last`; `isLast` when no row follows.
    /// Returns the held live messages that follow it, once the reading is through.
    mutating func pageSent(last: MessageID?, snapshot: TransactionSnapshot, isLast: Bool) -> [Message] {
        guard isAwaitingPage, case .reading(var reading, let start) = exchange(&state, with: .ended) else { return [] }
        reading.pageEnded(last: last, snapshot: snapshot)
        guard isLast, let seen = reading.snapshot else {
            state = .reading(reading, start: start)
            return []
        }
        coverages.append(Coverage(start: start, snapshot: seen))
        if coverages.count > Self.coveragesMax { coverages.removeFirst() }
        if reading.mustRepeat {
            leaveOut(reading.takeHeld())
            begin()
            return []
        }
        dropped.removeAll()
        state = .live
        return reading.takeHeld()
    }

    /// There was no room for the whole page: rows after `last` are read again when there is.
    mutating func pageCutShort(last: MessageID?, snapshot: TransactionSnapshot) {
        guard isAwaitingPage, case .reading(var reading, let start) = exchange(&state, with: .ended) else { return }
        reading.pageEnded(last: last, snapshot: snapshot)
        leaveOut(reading.pause())
        state = .reading(reading, start: start)
    }

    /// The page could not be read: it is wanted again.
    mutating func pageFailed() {
        guard isAwaitingPage, case .reading(var reading, let start) = exchange(&state, with: .ended) else { return }
        reading.pageFailed()
        state = .reading(reading, start: start)
    }

    /// A message was handed to the client.
    mutating func delivered(_ id: MessageID) {
        last = max(last ?? id, id)
        if !dropped.isEmpty { dropped.remove(id) }
    }

    /// There was no room for these held messages after the reading: PostgreSQL brings them later.
    mutating func heldCutShort(_ messages: some Sequence<Message>) {
        leaveOut(Array(messages))
        if isLive { state = .saturated }
    }

    /// There is room again.
    mutating func roomMade() {
        switch exchange(&state, with: .ended) {
        case .reading(var reading, let start):
            reading.goOn()
            state = .reading(reading, start: start)
        case .saturated: begin()
        case .opening: state = .opening
        case .live: state = .live
        case .ended: break
        }
    }

    mutating func ended() { state = .ended }

    // MARK: Transitions

    private var isAwaitingPage: Bool { isCurrent(generation: generation) }

    private mutating func leaveOut(_ messages: [Message]) {
        dropped.formUnion(messages.lazy.map(\.id))
        // The greatest are above what is being read, and so read next.
        if dropped.count > Self.droppedMax { dropped = Set(dropped.sorted().prefix(Self.droppedMax / 2)) }
    }

    private mutating func begin() {
        if case .reading(var reading, _) = exchange(&state, with: .ended) { leaveOut(reading.takeHeld()) }
        generation += 1
        // Without a message to start after, a topic has no past.
        guard let last else {
            state = .live
            return
        }
        dropped = dropped.filter { $0 <= last }
        let first = dropped.min().map { MessageID(rawValue: $0.rawValue - 1) } ?? last
        state = .reading(Reading(generation: generation, after: min(first, last), covered: nil), start: last)
    }
}
