import BelfryModel

@testable import Gateway

/// A `DeliveryMachine` that `#expect` can take apart, which it can't with a value that is not copyable.
final class MachineUnderTest {
    private var machine: DeliveryMachine

    init(source: DeliveryMachine.Source, heldMax: Int) { machine = DeliveryMachine(source: source, heldMax: heldMax) }

    var isOpening: Bool { machine.isOpening }
    var isLive: Bool { machine.isLive }
    var floor: TransactionSnapshot? { machine.floor }

    func isCurrent(generation: Int) -> Bool { machine.isCurrent(generation: generation) }
    func brings(_ id: MessageID) -> Bool { machine.brings(id) }
    func nextPage() -> DeliveryMachine.PageRequest? { machine.nextPage() }
    func channelOpened() { machine.channelOpened() }
    func missedRowFound() { machine.missedRowFound() }
    func incarnationChanged() { machine.incarnationChanged() }
    func liveReceived(_ message: Message, hasRoom: Bool) -> DeliveryMachine.LiveVerdict {
        machine.liveReceived(message, hasRoom: hasRoom)
    }
    func pageSent(last: MessageID?, snapshot: TransactionSnapshot, isLast: Bool) -> [Message] {
        machine.pageSent(last: last, snapshot: snapshot, isLast: isLast)
    }
    func pageCutShort(last: MessageID?, snapshot: TransactionSnapshot) {
        machine.pageCutShort(last: last, snapshot: snapshot)
    }
    func heldCutShort(_ messages: [Message]) { machine.heldCutShort(messages) }
    func delivered(_ id: MessageID) { machine.delivered(id) }
    func pageFailed() { machine.pageFailed() }
    func roomMade() { machine.roomMade() }
    func ended() { machine.ended() }
}
