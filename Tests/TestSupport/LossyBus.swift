import Bus
import NIOConcurrencyHelpers
import NIOCore

/// A bus that loses what it is told to lose, and answers as if it had not: what PUBLISH is when a subscriber's socket
/// dies.
public final class LossyBus: Bus {
    private let inner = MemoryBus()
    private let isLosing = NIOLockedValueBox(false)
    private let lost = NIOLockedValueBox(0)

    public init() {}

    /// Loses everything published from now on, or nothing any more.
    public func lose(_ isLosing: Bool) { self.isLosing.withLockedValue { $0 = isLosing } }

    /// Envelopes lost so far.
    public var lostCount: Int { lost.withLockedValue { $0 } }

    public func publish(_ batch: [BusPublication]) async throws(BusError) {
        if isLosing.withLockedValue({ $0 }) {
            lost.withLockedValue { $0 += batch.count }
        } else {
            try await inner.publish(batch)
        }
    }

    public func makeSubscriber(on eventLoop: any EventLoop, delegate: any BusSubscriberDelegate) -> any BusSubscriber {
        inner.makeSubscriber(on: eventLoop, delegate: delegate)
    }

    public func close() async { await inner.close() }
}
