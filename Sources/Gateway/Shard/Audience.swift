import BelfryModel
import NIOCore

/// Everybody on one event loop who is subscribed to one address.
final class Audience: @unchecked Sendable {
    let address: Address
    /// The user whose queue it is; `nil` for a topic.
    let user: String?
    private(set) var deliveries: [Delivery] = []
    /// The bus has said that the channel's messages flow.
    var isOpen = false
    /// Rows that the last reconcile found undelivered: the bus may be about to bring them. Found again, they were missed.
    var suspects: Set<MessageID> = []
    /// What was broadcast to a topic and handed out here; `nil` for users.
    var watch: TopicWatch?

    /// - Parameter topicHold: how long a broadcast stays in the outbox.
    init(address: Address, now: NIODeadline, topicHold: TimeAmount) {
        self.address = address
        switch address {
        case .user(let user): self.user = user
        case .topic:
            user = nil
            watch = TopicWatch(now: now, hold: topicHold)
        }
    }

    var isEmpty: Bool { deliveries.isEmpty }

    func add(_ delivery: Delivery) { deliveries.append(delivery) }

    func remove(_ delivery: Delivery) {
        guard let index = deliveries.firstIndex(where: { $0 === delivery }) else { return }
        deliveries.swapAt(index, deliveries.count - 1)
        deliveries.removeLast()
    }
}
