import BelfryModel
import Bus
import NIOCore

/// What one subscriber wants, what Redis has been told, and which answers are outstanding.
///
/// Redis answers every channel of every SUBSCRIBE and UNSUBSCRIBE, in order. An address whose answers have not all come
/// is in between two states, and nothing of it is delivered.
struct SubscriberMachine: ~Copyable {
    /// Channels of one command at most.
    static let channelsPerCommand = 1_000

    enum Command: Hashable {
        case subscribe([Address])
        case unsubscribe([Address])
    }

    enum Action: Hashable {
        case none
        case subscribed(Address)
        case message(Address, ByteBuffer)
    }

    /// What a turn of the loop leads to.
    struct Turn: Hashable {
        var commands: [Command] = []
        /// Given up and wanted again within the turn: Redis need not be told, the delegate must.
        var subscribed: [Address] = []
    }

    private struct Entry {
        var isWanted = true
        /// The delegate has been told, and messages are delivered.
        var isLive = false
        /// What Redis was told last on this connection.
        var isSent = false
        /// Commands that Redis has not answered.
        var unanswered = 0
    }

    private let names: ChannelNames
    private var isConnected = false
    private var entries: [Address: Entry] = [:]
    private var changed: [Address] = []

    init(names: ChannelNames) {
        self.names = names
    }

    /// Says whether a turn has to be ended for it.
    mutating func subscribe(_ address: Address) -> Bool {
        if let entry = entries[address] {
            guard !entry.isWanted else { return false }
            entries[address]?.isWanted = true
        } else {
            entries[address] = Entry()
        }
        return noteChange(of: address)
    }

    /// Says whether a turn has to be ended for it.
    mutating func unsubscribe(_ address: Address) -> Bool {
        guard let entry = entries[address], entry.isWanted else { return false }
        entries[address]?.isWanted = false
        entries[address]?.isLive = false
        return noteChange(of: address)
    }

    /// The end of a turn of the loop: what its calls come to.
    mutating func turnEnded() -> Turn {
        var turn = Turn()
        var new: [Address] = []
        var old: [Address] = []
        for address in changed {
            guard var entry = entries[address] else { continue }
            switch (entry.isWanted, entry.isSent) {
            case (true, false) where isConnected:
                entry.isSent = true
                entry.unanswered += 1
                new.append(address)
            case (true, true) where entry.unanswered == 0 && !entry.isLive:
                entry.isLive = true
                turn.subscribed.append(address)
            case (false, true):
                entry.isSent = false
                entry.unanswered += 1
                old.append(address)
            case (true, _), (false, false): break
            }
            entries[address] = entry.isWanted || entry.unanswered > 0 ? entry : nil
        }
        changed.removeAll(keepingCapacity: true)
        turn.commands = Self.chunks(new).map(Command.subscribe) + Self.chunks(old).map(Command.unsubscribe)
        return turn
    }

    /// A connection is there: everything that is wanted is asked for.
    mutating func connected() -> [Command] {
        isConnected = true
        let wanted = entries.filter(\.value.isWanted).map(\.key)
        for address in wanted {
            entries[address]?.isSent = true
            entries[address]?.unanswered = 1
        }
        return Self.chunks(wanted).map(Command.subscribe)
    }

    mutating func disconnected() {
        isConnected = false
        entries = entries.filter(\.value.isWanted).mapValues { _ in Entry() }
        changed.removeAll()
    }

    /// - Throws: `BusError` when the connection is of no use any more.
    mutating func valueReceived(_ value: RESPValue) throws(BusError) -> Action {
        switch value {
        case .array(let elements): return try pushReceived(elements)
        case .simpleString: return .none  // PONG, while nothing is subscribed
        case .error(let text):
            throw BusError(text.isTransient ? .unavailable : .refused, "Redis refused to subscribe: \(text)")
        case .bulkString, .integer, .null: throw Self.unexpected
        }
    }

    private mutating func pushReceived(_ elements: [RESPValue]) throws(BusError) -> Action {
        guard elements.count >= 2, let kind = elements[0].bytes, let name = elements[1].bytes else {
            throw Self.unexpected
        }
        if kind.holds("message") {
            guard elements.count == 3, let payload = elements[2].bytes else { throw Self.unexpected }
            guard let address = names.address(of: name), entries[address]?.isLive == true else { return .none }
            return .message(address, payload)
        }
        if kind.holds("pong") { return .none }
        guard let address = names.address(of: name), kind.holds("subscribe") || kind.holds("unsubscribe") else {
            throw Self.unexpected
        }
        return try answered(address)
    }

    private mutating func answered(_ address: Address) throws(BusError) -> Action {
        guard var entry = entries[address], entry.unanswered > 0 else {
            throw BusError(.protocolViolation, "Redis changed a subscription without being asked.")
        }
        entry.unanswered -= 1
        entry.isLive = entry.unanswered == 0 && entry.isSent && entry.isWanted
        let isForgotten = !entry.isWanted && !entry.isSent && entry.unanswered == 0
        entries[address] = isForgotten ? nil : entry
        return entry.isLive ? .subscribed(address) : .none
    }

    private mutating func noteChange(of address: Address) -> Bool {
        changed.append(address)
        return changed.count == 1
    }

    private static func chunks(_ addresses: [Address]) -> [[Address]] {
        stride(from: 0, to: addresses.count, by: channelsPerCommand).map { start in
            Array(addresses[start..<min(start + channelsPerCommand, addresses.count)])
        }
    }

    private static var unexpected: BusError {
        BusError(.protocolViolation, "Redis sent something that does not belong on a subscribed connection.")
    }
}

extension ByteBuffer {
    fileprivate func holds(_ text: StaticString) -> Bool {
        readableBytesView.elementsEqual(UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }
}
