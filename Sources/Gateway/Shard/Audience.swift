import BelfryModel
import NIOCore

/// Everybody on one event loop who is subscribed to one address.
final class Audience: @unchecked Sendable {
    let address: Address
    private(set) var deliveries: [Delivery] = []
    /// The bus has said that the channel's messages flow.
    var isOpen = false
    /// Rows that the last reconcile found undelivered: the bus may be about to bring them. Found again, they were missed.
    var suspects: Set<MessageID> = []
    /// A topic's messages that were seen here, so that reconcile finds only missed ones; `nil` for users.
    var seen: SeenMessages?

    init(address: Address, now: NIODeadline) {
        self.address = address
        if case .topic = address { seen = SeenMessages(now: now) }
    }

    var isEmpty: Bool { deliveries.isEmpty }

    func add(_ delivery: Delivery) { deliveries.append(delivery) }

    func remove(_ delivery: Delivery) {
        guard let index = deliveries.firstIndex(where: { $0 === delivery }) else { return }
        deliveries.swapAt(index, deliveries.count - 1)
        deliveries.removeLast()
    }
}

/// Which broadcasts of a topic one event loop has dealt with. A row stays in the outbox for `Limits.topicHold`, so two
/// generations of twice that time suffice.
struct SeenMessages {
    private var recent: RecentlyAcknowledged
    /// Before the first look into the outbox nothing is known: what it holds then was broadcast before anybody here
    /// listened.
    var hasBaseline = false
    private var baseline: Set<MessageID> = []

    init(now: NIODeadline) {
        recent = RecentlyAcknowledged(entriesMax: 100_000, lifetime: .seconds(120), now: now)
    }

    /// Remembers a live or missed message; `false` when it was seen already.
    mutating func insert(_ id: MessageID, xid: UInt64) -> Bool {
        guard !recent.contains(id, xid: xid) else { return false }
        recent.insert(id, xid: xid)
        return true
    }

    /// Takes the ids of the outbox at the first look.
    mutating func setBaseline(_ ids: some Sequence<MessageID>) {
        baseline = Set(ids)
        hasBaseline = true
    }

    /// Whether a row of the outbox was never seen here.
    func lacks(_ id: MessageID, xid: UInt64) -> Bool {
        !baseline.contains(id) && !recent.contains(id, xid: xid)
    }

    mutating func tick(at now: NIODeadline) { recent.tick(at: now) }
}
