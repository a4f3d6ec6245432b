import BelfryModel
import NIOCore

/// What the relay hands to the nodes: envelopes on per-user and per-topic channels. At most once by nature (Redis
/// PUBLISH keeps nothing); the outbox is what makes delivery certain.
public protocol Bus: Sendable {
    /// Publishes in the order given and returns once the bus has answered for every one.
    ///
    /// - Throws: `BusError` when the bus is away or refuses; some of the batch may have gone out. The caller repeats
    ///   the whole batch, and nodes drop repeats by id, time of writing and transaction id.
    func publish(_ batch: [BusPublication]) async throws(BusError)

    /// A subscriber whose events arrive on `eventLoop`, and only there. It connects at once.
    ///
    /// - Parameter delegate: held weakly, and called from later turns of the loop only, never from within a call to the
    ///   subscriber.
    func makeSubscriber(on eventLoop: any EventLoop, delegate: any BusSubscriberDelegate) -> any BusSubscriber

    /// Ends connections; outstanding publishes fail.
    func close() async
}

/// One envelope for one address.
public struct BusPublication: Sendable {
    public let address: Address
    /// An encoded `Envelope`.
    public let envelope: ByteBuffer

    public init(address: Address, envelope: ByteBuffer) {
        self.address = address
        self.envelope = envelope
    }
}

/// One event loop's subscriber to the bus. Every method is called on that event loop.
public protocol BusSubscriber: AnyObject {
    /// Asks for the address's messages. `busSubscribed` tells when they flow. Calls made in one turn of the loop go
    /// out as one batch. Asking twice does nothing.
    func subscribe(_ address: Address)
    func unsubscribe(_ address: Address)
    /// Ends the connection; the delegate is told nothing more.
    func close()
}

/// Told on the subscriber's event loop.
public protocol BusSubscriberDelegate: AnyObject {
    /// From now on every message published to `address` comes to `busReceived`, until `busDisconnected`. Said again
    /// for each address after a reconnect. No message of an address comes before this or after `unsubscribe`.
    func busSubscribed(_ address: Address)
    /// A message. The slice may share storage with others of the same read.
    func busReceived(_ envelope: ByteBuffer, for address: Address)
    /// The end of one read's messages: the moment to flush what they caused.
    func busReadCompleted()
    /// No message comes until `busSubscribed` is said again; the subscriber reconnects and resubscribes by itself. Said
    /// once for each `busConnected`: until the first of those the bus is away, too.
    func busDisconnected(_ error: BusError)
    /// Connected (again); the subscriptions follow.
    func busConnected()
}
