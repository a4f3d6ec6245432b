import BelfryModel
import Bus
import NIOCore
import Synchronization

/// A bus that remembers what was published, and fails as it is told.
final class RecordingBus: Bus {
    struct Delivery: Hashable, Sendable {
        let id: Int64
        let xid: UInt64
        let address: Address
    }

    typealias Fault = @Sendable ([BusPublication]) -> BusError?

    private struct State {
        var deliveries: [Delivery] = []
        var fault: Fault?
    }

    private let state = Mutex(State())

    var deliveries: [Delivery] { state.withLock { $0.deliveries } }
    var ids: [Int64] { deliveries.map(\.id) }
    /// Without repeats, as nodes see it.
    var distinct: [Delivery] {
        var seen: Set<Delivery> = []
        return deliveries.filter { seen.insert($0).inserted }
    }

    /// Asked before each batch; an error is thrown instead of publishing it.
    func setFault(_ fault: Fault?) {
        state.withLock { $0.fault = fault }
    }

    func publish(_ batch: [BusPublication]) async throws(BusError) {
        if let fault = state.withLock({ $0.fault }), let error = fault(batch) { throw error }
        var deliveries: [Delivery] = []
        for publication in batch where publication.envelope.readableBytes > 0 {
            let envelope = try Envelope(decoding: publication.envelope)
            deliveries.append(
                Delivery(id: envelope.id.rawValue, xid: envelope.xid, address: publication.address))
        }
        state.withLock { $0.deliveries += deliveries }
    }

    func makeSubscriber(on eventLoop: any EventLoop, delegate: any BusSubscriberDelegate) -> any BusSubscriber {
        NoSubscriber()
    }

    func close() async {}

    private final class NoSubscriber: BusSubscriber {
        func subscribe(_ address: Address) {}
        func unsubscribe(_ address: Address) {}
        func close() {}
    }
}
