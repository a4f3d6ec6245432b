import BelfryModel
import STOMP

/// A client's subscriptions, and those of its present connection.
struct SubscriptionTable {
    /// Where commands are answered.
    private static let replyQueue = "/user/queue/reply"
    private static let replyID = "reply"
    private static let receiptPrefix = "sub-"

    private var subscriptions: [String: ClientSubscription] = [:]
    /// The number of the present connection.
    private var connection: Int?
    private var areRepliesSubscribed = false

    // MARK: Connections

    /// - Returns: the frames that make all subscriptions anew.
    mutating func connected(_ connection: Int) -> [Frame] {
        self.connection = connection
        // In the order in which they were made.
        return subscriptions.values.sorted {
            ($0.machine.id.count, $0.machine.id) < ($1.machine.id.count, $1.machine.id)
        }
        .map { Self.frame($0, connection) }
    }

    mutating func disconnected() {
        connection = nil
        areRepliesSubscribed = false
        for subscription in subscriptions.values { subscription.machine.disconnected() }
    }

    /// No subscription gets any more.
    mutating func closed(_ error: BelfryClientError?) {
        let all = subscriptions.values
        subscriptions = [:]
        for subscription in all { subscription.finish(error) }
    }

    // MARK: Subscriptions

    /// - Returns: the frame that makes it, where there is a connection.
    mutating func add(_ subscription: ClientSubscription) -> Frame? {
        subscriptions[subscription.machine.id] = subscription
        return connection.map { Self.frame(subscription, $0) }
    }

    /// - Returns: the frame that ends it, where there is a connection.
    mutating func remove(_ subscription: ClientSubscription) -> Frame? {
        guard subscriptions.removeValue(forKey: subscription.machine.id) != nil else { return nil }
        subscription.finish(nil)
        subscription.machine.disconnected()
        return connection.map { _ in Frame(.unsubscribe, ["id": subscription.machine.id]) }
    }

    /// - Returns: the frame that subscribes to the answers of commands, unless that has been done.
    mutating func repliesNeeded() -> Frame? {
        guard connection != nil, !areRepliesSubscribed else { return nil }
        areRepliesSubscribed = true
        return Frame(.subscribe, ["id": Self.replyID, "destination": Self.replyQueue, "ack": AckMode.auto.rawValue])
    }

    /// The server has made a subscription.
    func receiptReceived(_ receipt: String) {
        subscription(ofReceipt: receipt)?.made.succeed()
    }

    /// The server refused to make a subscription.
    ///
    /// - Returns: whether it was one.
    mutating func refused(_ receipt: String, _ error: BelfryClientError) -> Bool {
        guard let refused = subscription(ofReceipt: receipt) else { return false }
        subscriptions[refused.machine.id] = nil
        refused.finish(error)
        return true
    }

    private func subscription(ofReceipt receipt: String) -> ClientSubscription? {
        guard receipt.hasPrefix(Self.receiptPrefix) else { return nil }
        return subscriptions[String(receipt.dropFirst(Self.receiptPrefix.count))]
    }

    private static func frame(_ subscription: ClientSubscription, _ connection: Int) -> Frame {
        var headers = subscription.machine.connected(connection)
        headers.append("receipt", receiptPrefix + subscription.machine.id)
        return Frame(.subscribe, headers)
    }

    // MARK: Messages

    /// What becomes of a MESSAGE.
    enum Arrival {
        /// It waits for the program, or is of no use.
        case done
        case send(Frame)
        case reply(Frame)
    }

    func messageReceived(_ frame: Frame) -> Arrival {
        let id = frame.headers["subscription"] ?? ""
        if id == Self.replyID { return .reply(frame) }
        // Of one that has just been ended some may still come.
        guard let subscription = subscriptions[id], let messageID = frame.headers["message-id"] else { return .done }
        switch subscription.machine.messageReceived(messageID, ackID: frame.headers["ack"]) {
        case .ignore: return .done
        case .acknowledgeAgain(let ackID): return .send(Frame(.ack, ["id": ackID]))
        case .deliver(let delivery):
            subscription.buffer.receive(BufferedMessage(frame, delivery))
            return .done
        }
    }
}
