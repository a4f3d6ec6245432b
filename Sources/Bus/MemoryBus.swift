import BelfryModel
import NIOCore
import Synchronization

/// The bus of a relay and nodes that live in one process.
///
/// It keeps the promises of the one over Redis and no more: nothing is kept for who has not subscribed, and a
/// subscriber that falls behind is disconnected and subscribed anew. `disconnect()` and `reconnect()` play an outage.
public final class MemoryBus: Bus {
    /// Bytes waiting for one event loop over which its subscriber is disconnected; Redis has the same bound by default
    /// (`client-output-buffer-limit pubsub 32mb`).
    public static let pendingBytesMax = 32 * 1024 * 1024

    private let state: Mutex<MemoryBusState>

    public init() {
        state = Mutex(MemoryBusState(pendingBytesMax: Self.pendingBytesMax))
    }

    init(pendingBytesMax: Int) {
        state = Mutex(MemoryBusState(pendingBytesMax: pendingBytesMax))
    }

    public func publish(_ batch: [BusPublication]) async throws(BusError) {
        let published = state.withLock { $0.publish(batch) }
        wake(try published.get())
    }

    public func makeSubscriber(
        on eventLoop: any EventLoop, delegate: any BusSubscriberDelegate
    ) -> any BusSubscriber {
        let id = state.withLock { $0.reserveID() }
        let subscriber = MemorySubscriber(id: id, bus: self, eventLoop: eventLoop, delegate: delegate)
        change { $0.add(subscriber) }
        return subscriber
    }

    public func close() async {
        change { $0.close() }
    }

    /// Plays an outage: publishing fails with `.unavailable` and every subscriber is disconnected, until `reconnect()`.
    public func disconnect() {
        change { $0.disconnect() }
    }

    /// Ends an outage: every subscriber is connected and its subscriptions are made again.
    public func reconnect() {
        change { $0.reconnect() }
    }

    func change(_ body: (inout MemoryBusState) -> [MemorySubscriber]) {
        wake(state.withLock { body(&$0) })
    }

    func takeEvents(of id: Int) -> [MemoryBusState.Event] {
        state.withLock { $0.takeEvents(of: id) }
    }

    /// Outside the lock: the order of events is that of the inbox, not that of the calls to the loop.
    private func wake(_ subscribers: [MemorySubscriber]) {
        for subscriber in subscribers {
            subscriber.eventLoop.execute { subscriber.deliver() }
        }
    }
}

/// One event loop's subscriber to a `MemoryBus`.
///
/// Unchecked: its variables are touched on its event loop only.
final class MemorySubscriber: BusSubscriber, @unchecked Sendable {
    let id: Int
    let eventLoop: any EventLoop
    private let bus: MemoryBus
    private weak var delegate: (any BusSubscriberDelegate)?
    /// What is wanted, each with the number of the call that asked for it: events of an earlier call are stale.
    private var wanted: [Address: Int] = [:]
    private var calls = 0
    private var isClosed = false

    init(id: Int, bus: MemoryBus, eventLoop: any EventLoop, delegate: any BusSubscriberDelegate) {
        self.id = id
        self.bus = bus
        self.eventLoop = eventLoop
        self.delegate = delegate
    }

    func subscribe(_ address: Address) {
        eventLoop.preconditionInEventLoop()
        guard !isClosed, wanted[address] == nil else { return }
        calls += 1
        let call = calls
        wanted[address] = call
        bus.change { $0.subscribe(id, to: address, call: call) }
    }

    func unsubscribe(_ address: Address) {
        eventLoop.preconditionInEventLoop()
        guard wanted.removeValue(forKey: address) != nil else { return }
        bus.change { $0.unsubscribe(id, from: address) }
    }

    func close() {
        eventLoop.preconditionInEventLoop()
        isClosed = true
        wanted = [:]
        delegate = nil
        bus.change { $0.remove(id) }
    }

    /// Hands over what has gathered since the last turn.
    func deliver() {
        let events = bus.takeEvents(of: id)
        guard let delegate else { return }
        var hasRead = false
        func endRead() {
            if hasRead, !isClosed { delegate.busReadCompleted() }
            hasRead = false
        }
        for event in events where !isClosed {
            switch event {
            case .connected: delegate.busConnected()
            case .disconnected(let error):
                endRead()
                delegate.busDisconnected(error)
            case .subscribed(let address, let call):
                if wanted[address] == call { delegate.busSubscribed(address) }
            case .message(let address, let call, let envelope):
                guard wanted[address] == call else { continue }
                delegate.busReceived(envelope, for: address)
                hasRead = true
            }
        }
        endRead()
    }
}
