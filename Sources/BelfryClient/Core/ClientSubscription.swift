import NIOCore
import STOMP
import Synchronization

/// One subscription of a client's, over all of its connections.
///
/// Unchecked: its variables are touched on the client's event loop only.
final class ClientSubscription: @unchecked Sendable {
    private static let idsMade = Atomic<Int>(0)

    let buffer: MessageBuffer
    /// Succeeds when the server has made the subscription for the first time.
    let made: EventLoopPromise<Void>
    /// Driven by `SubscriptionTable`.
    var machine: SubscriptionMachine

    init(_ machine: consuming SubscriptionMachine, buffer: MessageBuffer, eventLoop: any EventLoop) {
        self.machine = machine
        self.buffer = buffer
        made = eventLoop.makePromise()
    }

    /// An id that no other subscription of this process has.
    static func makeID() -> String {
        "s\(idsMade.add(1, ordering: .relaxed).newValue)"
    }

    /// No more messages come.
    func finish(_ error: BelfryClientError?) {
        buffer.finish(error)
        made.fail(error ?? .closed)
    }

    /// - Returns: what the acknowledgement is, on the wire.
    func acknowledged(_ delivery: DeliveryReference) -> SubscriptionMachine.Answer {
        machine.acknowledged(delivery)
    }

    /// - Returns: what the refusal is, on the wire.
    func refused(_ delivery: DeliveryReference) -> SubscriptionMachine.Answer {
        machine.refused(delivery)
    }
}
