import BelfryModel
import STOMP

extension BelfryClient {
    /// The messages of a destination. Each iterator is a subscription of its own, from the moment it is made until it
    /// is released; the client makes it anew with each connection.
    ///
    /// It ends when `run()` is cancelled, and throws what ended the client otherwise. An iterator is for one task.
    public struct Messages: AsyncSequence, Sendable {
        public typealias Element = Message
        public typealias Failure = any Error

        let core: ClientCore
        let destination: String
        let ackMode: AckMode
        let lastMessageID: String?
        let headers: [String: String]

        public func makeAsyncIterator() -> AsyncIterator {
            AsyncIterator(core.subscribe(self), core)
        }

        /// Takes the messages of one subscription.
        public struct AsyncIterator: AsyncIteratorProtocol {
            private let handle: Handle

            fileprivate init(_ subscription: ClientSubscription, _ core: ClientCore) {
                handle = Handle(subscription, core)
            }

            /// Waits until the server has made the subscription: from then on nothing is missed.
            ///
            /// - Throws: why it will not be made.
            public func subscribed() async throws {
                try await handle.subscription.made.futureResult.get()
            }

            public mutating func next() async throws -> Message? {
                try await next(isolation: nil)
            }

            public mutating func next(isolation actor: isolated (any Actor)?) async throws -> Message? {
                guard let message = try await handle.subscription.buffer.next(isolation: actor) else { return nil }
                return Message(message, handle.subscription, handle.core)
            }
        }
    }

    /// Ends a subscription when nobody can take its messages any more.
    private final class Handle: Sendable {
        let subscription: ClientSubscription
        let core: ClientCore

        init(_ subscription: ClientSubscription, _ core: ClientCore) {
            self.subscription = subscription
            self.core = core
        }

        deinit {
            subscription.buffer.cancel()
            core.eventLoop.execute { [core, subscription] in core.unsubscribe(subscription) }
        }
    }
}

extension ClientCore {
    /// A new subscription, on its way.
    fileprivate func subscribe(_ messages: BelfryClient.Messages) -> ClientSubscription {
        var options = Headers()
        if messages.ackMode != .auto {
            options.append("prefetch-count", "\(max(1, configuration.bufferedMessagesMax))")
        }
        options.append(further: messages.headers)
        let machine = SubscriptionMachine(
            id: ClientSubscription.makeID(), destination: messages.destination, ackMode: messages.ackMode,
            lastMessageID: messages.lastMessageID, options: options, rememberedMax: configuration.rememberedMessagesMax)
        let subscription = ClientSubscription(machine, buffer: MessageBuffer(budget: budget), eventLoop: eventLoop)
        eventLoop.execute { self.subscribe(subscription) }
        return subscription
    }
}
