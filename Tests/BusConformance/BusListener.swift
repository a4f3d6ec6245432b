import BelfryModel
import Bus
import NIOCore
import Synchronization

/// A subscriber together with a delegate that writes down everything it is told.
///
/// Unchecked: the subscriber is called on its event loop only; what was heard is behind a lock.
public final class BusListener: BusSubscriberDelegate, @unchecked Sendable {
    public enum Event: Hashable, Sendable {
        case connected
        case disconnected
        case subscribed(Address)
        case message(Address, ByteBuffer)
        case readCompleted
    }

    private let eventLoop: any EventLoop
    private var subscriber: (any BusSubscriber)?
    private let heard = Mutex<[Event]>([])
    private let strayCalls = Mutex(0)

    init(bus: any Bus, eventLoop: any EventLoop) {
        self.eventLoop = eventLoop
        subscriber = bus.makeSubscriber(on: eventLoop, delegate: self)
    }

    /// Everything so far, in order.
    public var events: [Event] { heard.withLock { $0 } }

    /// Calls that came on another thread than the event loop's.
    public var callsOffTheLoop: Int { strayCalls.withLock { $0 } }

    /// The messages so far.
    public func messages(for address: Address) -> [ByteBuffer] {
        events.compactMap { if case .message(address, let bytes) = $0 { bytes } else { nil } }
    }

    /// The messages so far, as text.
    public func texts(for address: Address) -> [String] {
        messages(for: address).map { String(buffer: $0) }
    }

    /// How often an event has been heard.
    public func count(of event: Event) -> Int {
        events.count { $0 == event }
    }

    /// Calls the subscriber on its loop, all in one turn.
    public func onLoop(_ body: @escaping @Sendable (any BusSubscriber) -> Void) async throws {
        try await eventLoop.submit { self.subscriber.map(body) }.get()
    }

    /// Subscribes in one turn of the loop and waits for all answers.
    public func subscribe(_ addresses: Address...) async throws {
        try await subscribe(all: addresses)
    }

    /// Subscribes in one turn of the loop and waits for all answers.
    public func subscribe(all addresses: [Address]) async throws {
        try await onLoop { subscriber in
            for address in addresses { subscriber.subscribe(address) }
        }
        let wanted = Set(addresses)
        try await until("\(wanted.count) addresses are subscribed") { [self] in
            wanted.isSubset(of: events.compactMap { if case .subscribed(let address) = $0 { address } else { nil } })
        }
    }

    /// Waits for that many messages.
    public func waitForMessages(_ count: Int, for address: Address) async throws {
        try await until("\(count) messages came for \(address)") { [self] in messages(for: address).count >= count }
    }

    public func close() async throws {
        try await onLoop { $0.close() }
    }

    private func note(_ event: Event) {
        if !eventLoop.inEventLoop { strayCalls.withLock { $0 += 1 } }
        heard.withLock { $0.append(event) }
    }

    // MARK: BusSubscriberDelegate

    public func busSubscribed(_ address: Address) { note(.subscribed(address)) }
    public func busReceived(_ envelope: ByteBuffer, for address: Address) { note(.message(address, envelope)) }
    public func busReadCompleted() { note(.readCompleted) }
    public func busDisconnected(_ error: BusError) { note(.disconnected) }
    public func busConnected() { note(.connected) }
}
