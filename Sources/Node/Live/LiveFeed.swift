import BelfryModel
import Bus
import Delivery
import NIOCore

/// One event loop's subscriber on the bus: who listens to which address, and what comes live for them. Used on its
/// event loop only.
final class LiveFeed: @unchecked Sendable {
    private let eventLoop: any EventLoop
    private let context: NodeContext
    private let origins: OriginCheck
    private let flushQueue: FlushQueue
    private let followed: FollowedMessages
    private var subscriber: (any BusSubscriber)?
    private var audiences: [Address: Audience] = [:]
    private(set) var isBusAvailable = false

    /// A consumer's channel is open, or is done without.
    var onOpen: (Consumer) -> Void = { _ in }
    /// The bus is away: PostgreSQL is to be asked now.
    var onBusLost: () -> Void = {}

    init(
        eventLoop: any EventLoop, context: NodeContext, origins: OriginCheck, flushQueue: FlushQueue,
        followed: FollowedMessages
    ) {
        self.eventLoop = eventLoop
        self.context = context
        self.origins = origins
        self.flushQueue = flushQueue
        self.followed = followed
    }

    /// Connects to the bus; on the event loop.
    func start() { subscriber = context.bus.makeSubscriber(on: eventLoop, delegate: self) }

    func close() { subscriber?.close() }

    // MARK: Audiences

    var all: some Sequence<Audience> { audiences.values }

    func audience(at address: Address) -> Audience? { audiences[address] }

    func join(_ consumer: Consumer) {
        let audience = audience(of: consumer.address)
        audience.add(consumer)
        // Without the bus the outbox is all there is; what its channel would bring is found by reconcile.
        if audience.isOpen || !isBusAvailable { opened(consumer) }
    }

    private func audience(of address: Address) -> Audience {
        if let audience = audiences[address] { return audience }
        let audience = Audience(address: address, now: .now(), topicHold: TimeAmount(context.limits.topicHold))
        audiences[address] = audience
        subscriber?.subscribe(address)
        return audience
    }

    func leave(_ consumer: Consumer) {
        guard let audience = audiences[consumer.address] else { return }
        audience.remove(consumer)
        guard audience.isEmpty else { return }
        audiences[consumer.address] = nil
        subscriber?.unsubscribe(consumer.address)
    }

    private func opened(_ consumer: Consumer) {
        consumer.channelOpened()
        onOpen(consumer)
    }
}

// MARK: From the bus

extension LiveFeed: BusSubscriberDelegate {
    func busConnected() {
        isBusAvailable = true
        context.metrics.busConnected()
    }

    func busSubscribed(_ address: Address) {
        guard let audience = audiences[address] else {
            // Everybody left while the request was on its way.
            subscriber?.unsubscribe(address)
            return
        }
        isBusAvailable = true
        audience.channelOpened()
        for consumer in audience.consumers { opened(consumer) }
    }

    func busReceived(_ envelope: ByteBuffer, for address: Address) {
        guard let audience = audiences[address] else { return }
        do {
            let envelope = try Envelope(decoding: envelope)
            guard origins.accepts(envelope.origin) else { return }
            let now = UnixTime.microseconds
            // When what comes again was written says nothing of how fast it came.
            if !envelope.isRedelivered {
                context.metrics.arrived(createdAtMicroseconds: envelope.createdAtMicroseconds, nowMicroseconds: now)
            }
            let isTraced = followed.received(envelope, for: address, atMilliseconds: now / 1_000)
            audience.deliver(
                Message(
                    stamp: MessageStamp(
                        id: envelope.id, xid: envelope.xid, createdAtMicroseconds: envelope.createdAtMicroseconds),
                    expiresAtMilliseconds: envelope.expiresAtMilliseconds,
                    isRedelivered: envelope.isRedelivered, headerLines: envelope.headerLines, body: envelope.body,
                    tracing: isTraced ? .yes : .no),
                atMilliseconds: now / 1_000)
        } catch {
            // The outbox still has the message: reconcile brings it.
            context.logger.warning("A message on the bus could not be read", metadata: ["error": "\(error)"])
        }
    }

    func busReadCompleted() { flushQueue.flush() }

    func busDisconnected(_ error: BusError) {
        isBusAvailable = false
        for audience in audiences.values {
            audience.channelClosed()
            for consumer in audience.consumers where consumer.isOpening { opened(consumer) }
        }
        onBusLost()
    }
}
