import BelfryModel

/// How one subscription's messages hand over from backlog to live and back. Pure; the shard runs what it asks for.
///
/// One rule makes the splice exact: a reading happens under a snapshot S. What S sees is the pages' business, and a live
/// copy of it is dropped; what S does not see comes live and is held until the pages are through. After the reading S
/// becomes the `floor`: a live message that the floor sees is a late copy, and a later reading leaves out what it sees.
///
/// A topic is read by id, from the greatest one delivered on. Ids do not commit in their order, so a message may come with
/// a lower one: no page brings such a straggler, and it is delivered whatever room there is, or its id is kept until a
/// reading has brought it.
struct DeliveryMachine: ~Copyable {
    /// Where a subscription gets what was there before it.
    enum Source: Equatable {
        /// The outbox rows of the user.
        case backlog
        /// A topic: live messages only, or first the log rows after this id. Once a message was delivered, what came after
        /// it can be read again.
        case topic(after: MessageID?)
    }

    /// A page that is to be asked for.
    struct PageRequest: Equatable {
        let after: MessageID
        let snapshot: TransactionSnapshot?
        let floor: TransactionSnapshot?
        /// To be given back with the answer: an answer to a request that has been overtaken is ignored.
        let generation: Int
    }

    /// What becomes of a live message.
    enum LiveVerdict: Equatable {
        case deliver
        /// Kept here until the backlog is through.
        case hold
        /// Not now: it was sent before, or PostgreSQL will bring it.
        case drop
    }

    /// What a finished reading of a topic has brought: the rows above `start` that `snapshot` sees.
    private struct Coverage {
        let start: MessageID
        let snapshot: TransactionSnapshot
    }

    private struct Reading {
        /// The greatest id delivered of a topic when the reading began.
        let start: MessageID
        var after: MessageID
        var snapshot: TransactionSnapshot?
        var floor: TransactionSnapshot?
        var held: [Message] = []
        var heldBytes = 0
        /// Live messages were dropped for want of room: the outbox is to be read once more.
        var mustRepeat = false
        var isRequested = false
        /// No page is asked for until there is room for its rows.
        var isPaused = false

        init(start: MessageID, after: MessageID, floor: TransactionSnapshot?) {
            self.start = start
            self.after = after
            self.floor = floor
        }

        /// The first page's snapshot is the reading's; what it sees comes by pages and need not be held.
        mutating func began(under snapshot: TransactionSnapshot) {
            guard self.snapshot == nil else { return }
            self.snapshot = snapshot
            held.removeAll { snapshot.sees($0.xid) }
            heldBytes = held.reduce(0) { $0 + $1.keptBytes }
        }
    }

    private enum State {
        /// The channel is not open yet.
        case opening
        case reading(Reading)
        case live(floor: TransactionSnapshot?)
        /// No room: live messages are left to PostgreSQL until there is.
        case saturated(floor: TransactionSnapshot?)
        case ended
    }

    private static let start = MessageID(rawValue: 0)
    /// Late copies of what an earlier reading of a topic brought are told by the latest few.
    private static let coveragesMax = 64
    private static let droppedMax = 10_000

    private let source: Source
    private let heldMax: Int
    private let heldBytesMax: Int
    private var state = State.opening
    private var generation = 0
    /// The greatest id delivered of a topic.
    private var lastOfTopic: MessageID?
    private var coverages: [Coverage] = []
    /// Ids of a topic's messages that came live and were dropped for want of room while a reading went on.
    private var dropped: Set<MessageID> = []

    /// - Parameters:
    ///   - heldMax: live messages kept while the backlog is read.
    ///   - heldBytesMax: bytes that they hold.
    init(source: Source, heldMax: Int, heldBytesMax: Int = .max) {
        self.source = source
        self.heldMax = heldMax
        self.heldBytesMax = heldBytesMax
        if case .topic(let after) = source { lastOfTopic = after }
    }

    // MARK: Questions

    /// Whether the subscription is past its first hand-over, or needs none.
    var isOpening: Bool { if case .opening = state { true } else { false } }

    /// Whether live messages go straight through.
    var isLive: Bool { if case .live = state { true } else { false } }

    /// What the last finished reading saw; `nil` when there was none.
    var floor: TransactionSnapshot? {
        switch state {
        case .live(let floor), .saturated(let floor): floor
        case .reading(let reading): reading.floor
        case .opening, .ended: nil
        }
    }

    /// The page that is wanted now, if any. Asking marks it as requested.
    mutating func nextPage() -> PageRequest? {
        guard case .reading(var reading) = state, !reading.isRequested, !reading.isPaused else { return nil }
        reading.isRequested = true
        state = .reading(reading)
        return PageRequest(
            after: reading.after, snapshot: reading.snapshot, floor: reading.floor, generation: generation)
    }

    // MARK: Events

    /// The channel is open (again), or the bus is away and the outbox is all there is: read what was missed.
    mutating func channelOpened() {
        switch state {
        case .opening:
            begin(floor: nil)
        case .live(let floor):
            begin(floor: floor)
        case .reading(var reading):
            reading.mustRepeat = true
            state = .reading(reading)
        case .saturated, .ended:
            break
        }
    }

    /// A reconcile found a row that was neither sent nor is on its way.
    mutating func missedRowFound() {
        if case .live(let floor) = state { begin(floor: floor) }
    }

    /// PostgreSQL came back as another incarnation: what was seen before says nothing about its transactions.
    mutating func incarnationChanged() {
        coverages.removeAll()
        switch state {
        case .opening, .ended: break
        case .reading, .live, .saturated: begin(floor: nil)
        }
    }

    /// A live message has arrived. `hasRoom` tells whether the subscription may have another one in flight.
    mutating func liveReceived(_ message: Message, hasRoom: Bool) -> LiveVerdict {
        if isCovered(message) { return .drop }
        switch state {
        case .opening, .ended:
            return .drop
        case .saturated:
            return goesAnyway(message) ? .deliver : .drop
        case .live(let floor):
            if let floor, floor.sees(message.xid) { return .drop }
            guard hasRoom || goesAnyway(message) else {
                state = .saturated(floor: floor)
                return .drop
            }
            return .deliver
        case .reading(var reading):
            if isStraggler(message.id), message.id <= reading.start {
                if goesAnyway(message) { return .deliver }
                reading.mustRepeat = true
                state = .reading(reading)
                return .drop
            }
            if let snapshot = reading.snapshot ?? reading.floor, snapshot.sees(message.xid) { return .drop }
            let verdict = hold(message, in: &reading)
            state = .reading(reading)
            return verdict
        }
    }

    /// A straggler is delivered at once, unless it may have to come after one that is to be read again.
    private mutating func goesAnyway(_ message: Message) -> Bool {
        guard isStraggler(message.id) else { return false }
        guard let first = dropped.min(), first < message.id else { return true }
        leaveOut([message])
        return false
    }

    /// A topic's message that no reading from now on brings by its id.
    private func isStraggler(_ id: MessageID) -> Bool {
        guard case .topic = source, let lastOfTopic else { return false }
        return id <= lastOfTopic
    }

    /// A late copy of what a finished reading of a topic has brought.
    private func isCovered(_ message: Message) -> Bool {
        coverages.last { $0.start < message.id }?.snapshot.sees(message.xid) ?? false
    }

    private mutating func hold(_ message: Message, in reading: inout Reading) -> LiveVerdict {
        let bytes = reading.heldBytes + message.keptBytes
        guard !reading.mustRepeat, reading.held.count < heldMax, bytes <= heldBytesMax else {
            leaveOut(reading.held + [message])
            reading.held = []
            reading.heldBytes = 0
            reading.mustRepeat = true
            return .drop
        }
        reading.held.append(message.kept())
        reading.heldBytes = bytes
        return .hold
    }

    /// Whether an answer belongs to the request that is out.
    func isCurrent(generation: Int) -> Bool {
        guard case .reading(let reading) = state else { return false }
        return reading.isRequested && generation == self.generation
    }

    /// A page was sent to the client up to and including `last`; `isLast` when the page was not full.
    /// Returns the held live messages that follow it, once the reading is through.
    mutating func pageSent(last: MessageID?, snapshot: TransactionSnapshot, isLast: Bool) -> [Message] {
        guard case .reading(var reading) = state, reading.isRequested else { return [] }
        reading.isRequested = false
        reading.began(under: snapshot)
        if let last { reading.after = last }
        guard isLast, let seen = reading.snapshot else {
            state = .reading(reading)
            return []
        }
        let isTopic = source != .backlog
        if isTopic {
            coverages.append(Coverage(start: reading.start, snapshot: seen))
            if coverages.count > Self.coveragesMax { coverages.removeFirst() }
        }
        if reading.mustRepeat {
            state = .reading(reading)
            begin(floor: seen)
            return []
        }
        dropped.removeAll()
        state = .live(floor: isTopic ? nil : seen)
        return reading.held
    }

    /// Whether a row of a page is to be sent: of a topic, not what came live before.
    func brings(_ id: MessageID) -> Bool { !isStraggler(id) || dropped.contains(id) }

    private mutating func leaveOut(_ messages: [Message]) {
        guard case .topic = source else { return }
        dropped.formUnion(messages.lazy.map(\.id))
        // The greatest are above what is being read, and so read next.
        if dropped.count > Self.droppedMax { dropped = Set(dropped.sorted().prefix(Self.droppedMax / 2)) }
    }

    /// There was no room for the whole page: rows after `last` are read again when there is.
    mutating func pageCutShort(last: MessageID?, snapshot: TransactionSnapshot) {
        guard case .reading(var reading) = state, reading.isRequested else { return }
        reading.isRequested = false
        reading.isPaused = true
        reading.began(under: snapshot)
        if let last { reading.after = last }
        state = .reading(reading)
    }

    /// A message was handed to the client.
    mutating func delivered(_ id: MessageID) {
        guard case .topic = source else { return }
        lastOfTopic = max(lastOfTopic ?? id, id)
        if !dropped.isEmpty { dropped.remove(id) }
    }

    /// There was no room for these held messages after the reading: PostgreSQL brings them later.
    mutating func heldCutShort(_ messages: some Sequence<Message>) {
        leaveOut(Array(messages))
        if case .live(let floor) = state { state = .saturated(floor: floor) }
    }

    /// The page could not be read: it is wanted again.
    mutating func pageFailed() {
        guard case .reading(var reading) = state else { return }
        reading.isRequested = false
        state = .reading(reading)
    }

    /// There is room again.
    mutating func roomMade() {
        switch state {
        case .reading(var reading):
            reading.isPaused = false
            state = .reading(reading)
        case .saturated(let floor):
            begin(floor: floor)
        case .opening, .live, .ended:
            break
        }
    }

    mutating func ended() { state = .ended }

    private mutating func begin(floor: TransactionSnapshot?) {
        generation += 1
        if case .reading(let reading) = state { leaveOut(reading.held) }
        switch source {
        case .backlog:
            state = .reading(Reading(start: Self.start, after: Self.start, floor: floor))
        case .topic:
            // Without a message to start after, a topic has no past.
            if let lastOfTopic {
                dropped = dropped.filter { $0 <= lastOfTopic }
                let first = dropped.min().map { MessageID(rawValue: $0.rawValue - 1) } ?? lastOfTopic
                state = .reading(Reading(start: lastOfTopic, after: min(first, lastOfTopic), floor: nil))
            } else {
                state = .live(floor: nil)
            }
        }
    }
}
