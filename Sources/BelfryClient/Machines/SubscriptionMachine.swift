import BelfryModel
import DequeModule
import STOMP

/// What a subscription remembers over all of its connections, so that each message is handed over once.
///
/// A message that comes a second time under the same `message-id` is not handed over again. If it had been acknowledged
/// it is so once more, as the acknowledgement may not have arrived.
struct SubscriptionMachine: ~Copyable {
    /// What a message that came is to the program.
    enum Arrival: Hashable {
        case deliver(DeliveryReference)
        case acknowledgeAgain(ackID: String)
        /// It has been handed over, and can still be acknowledged.
        case ignore
    }

    /// What an answer to a message leads to.
    enum Answer: Hashable {
        case send(ackID: String)
        /// In mode `auto` there is nothing to say.
        case none
        /// The connection by which it came is gone. If it comes again it is acknowledged by itself.
        case lost
    }

    private struct Record {
        var delivery: DeliveryReference
        /// Its place among all messages, for mode `client`.
        var place: Int
        var isAcknowledged: Bool
        /// It was given back, and is handed over again when it comes again.
        var isRefused = false
    }

    let id: String
    let destination: String
    private let ackMode: AckMode
    private let options: Headers
    private let rememberedMax: Int
    private var lastMessageID: String?
    private var records: [String: Record] = [:]
    /// The ids of `records`, those that came first in front.
    private var order = Deque<String>()
    private var placesGiven = 0
    /// The number of the present connection; `nil` while there is none.
    private var connection: Int?

    /// - Parameters:
    ///   - id: unique in the client.
    ///   - lastMessageID: what came after it is asked for first.
    ///   - options: further headers of SUBSCRIBE.
    ///   - rememberedMax: ids that are remembered; beyond it the first are forgotten.
    init(
        id: String, destination: String, ackMode: AckMode, lastMessageID: String?, options: Headers, rememberedMax: Int
    ) {
        self.id = id
        self.destination = destination
        self.ackMode = ackMode
        self.lastMessageID = lastMessageID
        self.options = options
        self.rememberedMax = rememberedMax
    }

    /// There is a connection.
    ///
    /// - Returns: the headers of SUBSCRIBE.
    mutating func connected(_ connection: Int) -> Headers {
        self.connection = connection
        var headers: Headers = ["id": id, "destination": destination, "ack": ackMode.rawValue]
        if let lastMessageID { headers.append("last-message-id", lastMessageID) }
        for option in options { headers.append(option) }
        return headers
    }

    mutating func disconnected() {
        connection = nil
    }

    /// - Parameter ackID: the header `ack`, absent in mode `auto`.
    mutating func messageReceived(_ id: String, ackID: String?) -> Arrival {
        // A user's queue has its backlog; only a topic is replayed from where it was left.
        if destination.hasPrefix("/topic/") { lastMessageID = id }
        let delivery = DeliveryReference(messageID: id, ackID: ackID, connection: connection ?? 0)
        placesGiven += 1
        guard var record = records[id] else {
            remember(delivery)
            return .deliver(delivery)
        }
        record.delivery = delivery
        record.place = placesGiven
        let wasRefused = record.isRefused
        record.isRefused = false
        records[id] = record
        if wasRefused { return .deliver(delivery) }
        guard record.isAcknowledged, let ackID else { return .ignore }
        return .acknowledgeAgain(ackID: ackID)
    }

    /// The program has dealt with a message, in mode `client` with those before it too.
    mutating func acknowledged(_ delivery: DeliveryReference) -> Answer {
        guard let record = records[delivery.messageID] else { return answer(delivery) }
        for id in idsBefore(record) { records[id]?.isAcknowledged = true }
        records[delivery.messageID]?.isAcknowledged = true
        return answer(record.delivery)
    }

    /// The program gives a message back, in mode `client` with those before it too.
    mutating func refused(_ delivery: DeliveryReference) -> Answer {
        guard let record = records[delivery.messageID] else { return answer(delivery) }
        // What was acknowledged stays so.
        guard !record.isAcknowledged, !record.isRefused else { return .none }
        for id in idsBefore(record) { records[id]?.isRefused = true }
        records[delivery.messageID]?.isRefused = true
        return answer(record.delivery)
    }

    /// What an answer to a message in mode `client` is for too: those in flight that came before it.
    private func idsBefore(_ record: Record) -> [String] {
        guard ackMode == .client, record.delivery.connection == connection else { return [] }
        return records.filter { _, other in
            other.delivery.connection == connection && other.place < record.place && !other.isAcknowledged
                && !other.isRefused
        }.map(\.key)
    }

    private func answer(_ delivery: DeliveryReference) -> Answer {
        guard ackMode != .auto else { return .none }
        guard let ackID = delivery.ackID, delivery.connection == connection else { return .lost }
        return .send(ackID: ackID)
    }

    private mutating func remember(_ delivery: DeliveryReference) {
        records[delivery.messageID] = Record(
            delivery: delivery, place: placesGiven, isAcknowledged: ackMode == .auto)
        order.append(delivery.messageID)
        guard order.count > rememberedMax, let oldest = order.popFirst() else { return }
        records[oldest] = nil
    }
}

/// A message as it came by one connection.
struct DeliveryReference: Hashable, Sendable {
    let messageID: String
    /// What an ACK names it by; `nil` in mode `auto`.
    let ackID: String?
    let connection: Int
}
