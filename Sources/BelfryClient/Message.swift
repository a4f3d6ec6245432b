import BelfryModel
import Foundation
import NIOCore

extension BelfryClient {
    /// A message that arrived, to be acknowledged once it has been dealt with.
    public struct Message: Sendable, Identifiable {
        /// The same however often it comes: in decimal digits.
        public let id: String
        /// That of the subscription.
        public let destination: String
        /// What the application, or the node, says of it beside the body.
        public let headers: [String: String]
        /// The body as it came.
        public let body: ByteBuffer
        /// What the body says; `nil` when it is not of Belfry's form.
        public let notification: Notification?
        private let delivery: DeliveryReference
        private let subscription: ClientSubscription
        private let core: ClientCore

        init(_ message: BufferedMessage, _ subscription: ClientSubscription, _ core: ClientCore) {
            let frame = message.frame
            id = message.delivery.messageID
            destination = frame.headers["destination"] ?? ""
            headers = Dictionary(frame.headers.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
            body = frame.body
            notification = try? JSONDecoder().decode(Notification.self, from: Data(frame.body.readableBytesView))
            delivery = message.delivery
            self.subscription = subscription
            self.core = core
        }

        /// A registered type; empty when the body does not tell.
        public var type: String { notification?.type ?? "" }

        /// What the application has written.
        public var json: JSONValue { notification?.data ?? .null }

        /// Whether a session may have been shown it before.
        public var isRedelivered: Bool { headers["redelivered"] == "true" }

        /// The message that its user had snoozed, and which is this one come back.
        public var snoozedFrom: String? { headers["snoozed-from"] }

        /// Acknowledges it, in mode `client` those before it too, and does not wait. If that gets lost with the
        /// connection and the message comes again, it is acknowledged again by itself.
        public func ack() {
            core.eventLoop.execute { core.acknowledge(delivery, of: subscription) }
        }

        /// The same, and waits until the acknowledgement is durable.
        ///
        /// - Throws: `BelfryClientError` when that is not known; it will be acknowledged again by itself.
        public func acknowledge() async throws {
            _ = try await core.answer { core, ticket in
                core.acknowledgeDurably(delivery, of: subscription, ticket)
            }
        }

        /// Gives it back: it comes again later, and after some times an operator has to look at it.
        public func nack() {
            core.eventLoop.execute { core.refuse(delivery, of: subscription) }
        }
    }
}
