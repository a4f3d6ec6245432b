/// What a client knows of its connections and of those who wait for one. A value without locks and waits.
struct ConnectionPool {
    /// A connection and the slot it belongs to.
    struct Lease: Sendable {
        let slot: Int
        let connection: PostgresConnection
    }

    /// Somebody who waits for a connection.
    struct Waiter: Sendable {
        typealias Resume = @Sendable (Result<Lease, PostgresError>) -> Void
        let id: Int
        let wantsExclusively: Bool
        let resume: Resume
    }

    /// A waiter and what it gets.
    struct Hand: Sendable {
        let waiter: Waiter
        let lease: Lease
    }

    private struct Slot {
        var connection: PostgresConnection?
        /// In a transaction.
        var isTaken = false
    }

    let size: Int
    private var slots: [Slot]
    private(set) var waiters: [Waiter] = []
    private(set) var isClosed = false
    private var lastWaiter = 0
    var lastError: PostgresError?

    init(size: Int) {
        self.size = size
        slots = Array(repeating: Slot(), count: size)
    }

    /// Whether a connection is up, in a transaction or not.
    var isAvailable: Bool { !isClosed && slots.contains { $0.connection.map { !$0.isClosed } ?? false } }

    /// The free connection with the fewest statements.
    func leastLoaded() -> Lease? {
        var best: (lease: Lease, load: Int)?
        for (index, slot) in slots.enumerated() {
            guard let connection = slot.connection, !slot.isTaken, !connection.isClosed else { continue }
            let load = connection.load
            if best.map({ load < $0.load }) ?? true { best = (Lease(slot: index, connection: connection), load) }
            if load == 0 { break }
        }
        return best?.lease
    }

    /// The free connection with the fewest statements, which run before the taker's.
    mutating func takeExclusively() -> Lease? {
        guard let lease = leastLoaded() else { return nil }
        slots[lease.slot].isTaken = true
        return lease
    }

    mutating func giveBack(_ lease: Lease) -> [Hand] {
        // The slot may have got another connection meanwhile.
        if slots[lease.slot].connection === lease.connection { slots[lease.slot].isTaken = false }
        return serveWaiters()
    }

    mutating func connected(_ slot: Int, _ connection: PostgresConnection) {
        slots[slot] = Slot(connection: connection)
    }

    mutating func disconnected(_ slot: Int, _ reason: PostgresError) {
        slots[slot] = Slot()
        lastError = reason
    }

    mutating func addWaiter(exclusively: Bool, _ resume: @escaping Waiter.Resume) -> Int {
        lastWaiter += 1
        waiters.append(Waiter(id: lastWaiter, wantsExclusively: exclusively, resume: resume))
        return lastWaiter
    }

    mutating func removeWaiter(_ id: Int) -> Waiter? {
        waiters.firstIndex { $0.id == id }.map { waiters.remove(at: $0) }
    }

    /// Serves those who have waited longest, until none is left or no connection is free.
    mutating func serveWaiters() -> [Hand] {
        var hands: [Hand] = []
        for waiter in waiters {
            guard let lease = waiter.wantsExclusively ? takeExclusively() : leastLoaded() else { break }
            hands.append(Hand(waiter: waiter, lease: lease))
        }
        waiters.removeFirst(hands.count)
        return hands
    }

    /// The connections and the waiters that are left.
    mutating func close() -> ([PostgresConnection], [Waiter]) {
        isClosed = true
        defer { waiters = [] }
        return (slots.compactMap(\.connection), waiters)
    }
}
