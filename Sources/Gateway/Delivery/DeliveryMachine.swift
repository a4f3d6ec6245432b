import BelfryModel

/// How one subscription's messages hand over from backlog to live and back. Pure; the shard runs what it asks for.
///
/// One rule makes the splice exact: a reading happens under a snapshot S. What S sees is the pages' business, and a live
/// copy of it is dropped; what S does not see comes live and is held until the pages are through. After the reading S
/// becomes the `floor`: a live message that the floor sees is a late copy, and a later reading leaves out what it sees.
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

    private struct Reading {
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

    private let source: Source
    private let heldMax: Int
    private let heldBytesMax: Int
    private var state = State.opening
    private var generation = 0
    /// The greatest id delivered of a topic.
    private var lastOfTopic: MessageID?

    /// - Parameters:
    ///   - heldMax: live messages kept while the backlog is read.
    ///   - heldBytesMax: bytes of their bodies.
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
        switch state {
        case .opening, .ended: break
        case .reading, .live, .saturated: begin(floor: nil)
        }
    }

    /// A live message has arrived. `hasRoom` tells whether the subscription may have another one in flight.
    mutating func liveReceived(_ message: Message, hasRoom: Bool) -> LiveVerdict {
        switch state {
        case .opening, .saturated, .ended:
            return .drop
        case .live(let floor):
            if let floor, floor.sees(message.xid) { return .drop }
            guard hasRoom else {
                state = .saturated(floor: floor)
                return .drop
            }
            return .deliver
        case .reading(var reading):
            if let snapshot = reading.snapshot ?? reading.floor, snapshot.sees(message.xid) { return .drop }
            let verdict = hold(message, in: &reading)
            state = .reading(reading)
            return verdict
        }
    }

    private func hold(_ message: Message, in reading: inout Reading) -> LiveVerdict {
        let bytes = reading.heldBytes + message.body.readableBytes
        guard !reading.mustRepeat, reading.held.count < heldMax, bytes <= heldBytesMax else {
            reading.held = []
            reading.heldBytes = 0
            reading.mustRepeat = true
            return .drop
        }
        reading.held.append(message)
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
        if reading.snapshot == nil { reading.snapshot = snapshot }
        if let last { reading.after = last }
        guard isLast, let seen = reading.snapshot else {
            state = .reading(reading)
            return []
        }
        if reading.mustRepeat {
            begin(floor: seen)
            return []
        }
        state = .live(floor: seen)
        return reading.held.filter { !seen.sees($0.xid) }
    }

    /// There was no room for the whole page: rows after `last` are read again when there is.
    mutating func pageCutShort(last: MessageID?, snapshot: TransactionSnapshot) {
        guard case .reading(var reading) = state, reading.isRequested else { return }
        reading.isRequested = false
        reading.isPaused = true
        if reading.snapshot == nil { reading.snapshot = snapshot }
        if let last { reading.after = last }
        state = .reading(reading)
    }

    /// A message was handed to the client.
    mutating func delivered(_ id: MessageID) {
        guard case .topic = source else { return }
        lastOfTopic = max(lastOfTopic ?? id, id)
    }

    /// There was no room for a held message after the reading: the outbox brings it later.
    mutating func heldCutShort() {
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
        switch source {
        case .backlog:
            state = .reading(Reading(after: Self.start, floor: floor))
        case .topic:
            // Without a message to start after, a topic has no past.
            if let lastOfTopic {
                state = .reading(Reading(after: lastOfTopic, floor: nil))
            } else {
                state = .live(floor: nil)
            }
        }
    }
}
