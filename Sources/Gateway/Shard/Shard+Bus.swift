import BelfryModel
import Bus
import NIOCore

extension Shard: BusSubscriberDelegate {
    func busConnected() {
        isBusAvailable = true
        context.counters.busConnected()
    }

    func busSubscribed(_ address: Address) {
        guard let audience = audiences[address] else {
            // Everybody left while the request was on its way.
            subscriber?.unsubscribe(address)
            return
        }
        isBusAvailable = true
        audience.isOpen = true
        for delivery in audience.deliveries { opened(delivery) }
    }

    func busReceived(_ envelope: ByteBuffer, for address: Address) {
        guard let audience = audiences[address] else { return }
        do {
            let envelope = try Envelope(decoding: envelope)
            guard accepts(envelope.origin) else { return }
            deliverLive(
                Message(
                    id: envelope.id, xid: envelope.xid, createdAtMicroseconds: envelope.createdAtMicroseconds,
                    expiresAtMilliseconds: envelope.expiresAtMilliseconds,
                    isRedelivered: envelope.isRedelivered, headerLines: envelope.headerLines, body: envelope.body),
                to: audience)
        } catch {
            // The outbox still has the message: reconcile brings it.
            logger.warning("A message on the bus could not be read", metadata: ["error": "\(error)"])
        }
    }

    func busReadCompleted() { flushTouched() }

    func busDisconnected(_ error: BusError) {
        isBusAvailable = false
        for audience in audiences.values {
            audience.isOpen = false
            for delivery in audience.deliveries where delivery.machine.isOpening { opened(delivery) }
        }
        nextReconcile = .now()
    }
}
