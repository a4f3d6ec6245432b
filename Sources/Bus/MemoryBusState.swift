import BelfryModel
import NIOCore

/// Who is subscribed to what on a `MemoryBus`, and what waits for each event loop. Every event answers with the
/// subscribers whose loops have to be woken.
struct MemoryBusState {
    /// What a subscriber is told, in this order.
    enum Event {
        case connected
        case disconnected(BusError)
        case subscribed(Address, call: Int)
        case message(Address, call: Int, ByteBuffer)
    }

    private enum Phase { case connected, away, closed }

    /// A class, so that appending to `events` never copies them.
    private final class Inbox {
        let subscriber: MemorySubscriber
        var wanted: [Address: Int] = [:]
        var events: [Event] = []
        var pendingBytes = 0
        var isOverflowed = false
        var isWoken = false

        init(subscriber: MemorySubscriber) {
            self.subscriber = subscriber
        }

        var connection: [Event] { [.connected] + wanted.map { .subscribed($0.key, call: $0.value) } }

        /// Says whether the loop may have to be woken for it.
        func post(_ publication: BusPublication, bytesMax: Int) -> Bool {
            guard let call = wanted[publication.address], !isOverflowed else { return false }
            if pendingBytes + publication.envelope.readableBytes > bytesMax {
                isOverflowed = true
            } else {
                pendingBytes += publication.envelope.readableBytes
                events.append(.message(publication.address, call: call, publication.envelope))
            }
            return true
        }

        /// Answers with the subscriber if its loop has to be woken.
        func tell(_ told: [Event]) -> [MemorySubscriber] {
            events += told
            defer { isWoken = true }
            return isWoken ? [] : [subscriber]
        }
    }

    private let pendingBytesMax: Int
    private var phase = Phase.connected
    private var inboxes: [Int: Inbox] = [:]
    private var routes: [Address: [Int]] = [:]
    private var lastID = 0

    init(pendingBytesMax: Int) {
        self.pendingBytesMax = pendingBytesMax
    }

    mutating func reserveID() -> Int {
        lastID += 1
        return lastID
    }

    mutating func add(_ subscriber: MemorySubscriber) -> [MemorySubscriber] {
        guard phase != .closed else { return [] }
        let inbox = Inbox(subscriber: subscriber)
        inboxes[subscriber.id] = inbox
        return phase == .connected ? inbox.tell([.connected]) : []
    }

    mutating func remove(_ id: Int) -> [MemorySubscriber] {
        guard let inbox = inboxes.removeValue(forKey: id) else { return [] }
        for address in inbox.wanted.keys { removeRoute(of: id, to: address) }
        return []
    }

    mutating func subscribe(_ id: Int, to address: Address, call: Int) -> [MemorySubscriber] {
        guard let inbox = inboxes[id] else { return [] }
        inbox.wanted[address] = call
        routes[address, default: []].append(id)
        return phase == .connected ? inbox.tell([.subscribed(address, call: call)]) : []
    }

    mutating func unsubscribe(_ id: Int, from address: Address) -> [MemorySubscriber] {
        inboxes[id]?.wanted[address] = nil
        removeRoute(of: id, to: address)
        return []
    }

    mutating func publish(_ batch: [BusPublication]) -> Result<[MemorySubscriber], BusError> {
        switch phase {
        case .away: return .failure(BusError(.unavailable, "The in-memory bus plays an outage."))
        case .closed: return .failure(BusError(.closed, "The bus has been closed."))
        case .connected: break
        }
        var woken: [MemorySubscriber] = []
        for publication in batch {
            for id in routes[publication.address] ?? [] {
                guard let inbox = inboxes[id], inbox.post(publication, bytesMax: pendingBytesMax) else { continue }
                woken += inbox.tell([])
            }
        }
        return .success(woken)
    }

    mutating func disconnect() -> [MemorySubscriber] {
        guard phase == .connected else { return [] }
        phase = .away
        let error = BusError(.unavailable, "The in-memory bus plays an outage.")
        return inboxes.values.flatMap { $0.tell([.disconnected(error)]) }
    }

    mutating func reconnect() -> [MemorySubscriber] {
        guard phase == .away else { return [] }
        phase = .connected
        return inboxes.values.flatMap { $0.tell($0.connection) }
    }

    mutating func close() -> [MemorySubscriber] {
        let wasConnected = phase == .connected
        phase = .closed
        let error = BusError(.closed, "The bus has been closed.")
        return wasConnected ? inboxes.values.flatMap { $0.tell([.disconnected(error)]) } : []
    }

    /// Empties the inbox; what is posted from now on wakes the loop again.
    mutating func takeEvents(of id: Int) -> [Event] {
        guard let inbox = inboxes[id] else { return [] }
        var events = inbox.events
        if inbox.isOverflowed, phase == .connected {
            let text = "More than \(pendingBytesMax) bytes waited for an event loop; the rest was dropped."
            events += [.disconnected(BusError(.unavailable, text))] + inbox.connection
        }
        inbox.events = []
        inbox.pendingBytes = 0
        inbox.isOverflowed = false
        inbox.isWoken = false
        return events
    }

    private mutating func removeRoute(of id: Int, to address: Address) {
        routes[address]?.removeAll { $0 == id }
        if routes[address]?.isEmpty == true { routes[address] = nil }
    }
}
