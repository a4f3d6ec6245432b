import BelfryModel
import NIOCore
import STOMP

/// One subscription of one session: what is in flight on it, and where it stands between backlog and live. Lives on the
/// session's event loop.
final class Delivery: @unchecked Sendable {
    let session: Session
    let subscription: Subscription
    let address: Address
    var machine: DeliveryMachine
    var ledger: AckLedger
    /// The receipt that SUBSCRIBE asked for, owed once messages flow.
    var owedReceipt: String?
    /// The last message appended in mode `auto` since the last flush: it and those before it count as delivered when
    /// that has been written.
    var lastUnflushed: MessageID?
    /// Already waiting in the shard's queue of readers.
    var isQueued = false
    private(set) var isEnded = false

    init(session: Session, subscription: Subscription, address: Address, source: DeliveryMachine.Source, limits: Limits)
    {
        self.session = session
        self.subscription = subscription
        self.address = address
        self.machine = DeliveryMachine(
            source: source, heldMax: limits.heldMessagesMax, heldBytesMax: limits.heldBytesMax)
        self.ledger = AckLedger(mode: subscription.ackMode)
    }

    var isTopic: Bool {
        if case .topic = address { true } else { false }
    }

    /// Whether another message may be in flight.
    func hasRoom(_ limits: Limits) -> Bool { ledger.count < limits.inFlightMax }

    /// Whether enough has been acknowledged to read on after there was no room.
    func hasRoomAgain(_ limits: Limits) -> Bool { ledger.count <= limits.inFlightMax / 2 }

    func end() {
        isEnded = true
        machine.ended()
    }
}
