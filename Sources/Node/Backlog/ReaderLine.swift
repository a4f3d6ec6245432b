import DequeModule
import NIOCore

/// Consumers of an event loop that wait for a page of their backlogs, in their order, and the next time at which their
/// reader looks at them. Used on its event loop only.
final class ReaderLine: @unchecked Sendable {
    private let eventLoop: any EventLoop
    private var waiting: Deque<Consumer> = []
    /// Of them, those that have ended, at most.
    private var endedCount = 0
    private var isLookScheduled = false

    /// Reads for those whose turn it is.
    var onLook: () -> Void = {}

    init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    var isEmpty: Bool { waiting.isEmpty }
    var count: Int { waiting.count }

    /// The consumer may want a page: it gets in line if so, unless it waits already.
    func wantsPage(_ consumer: Consumer) {
        guard consumer.wantsPage, consumer.getInLine() else { return }
        waiting.append(consumer)
        scheduleLook()
    }

    /// Those were passed over, and go on waiting.
    func putBack(_ consumers: [Consumer]) { waiting.append(contentsOf: consumers) }

    func popFirst() -> Consumer? { waiting.popFirst() }

    /// Has the reader look at the end of this turn of the loop, so that who comes in it shares a statement.
    func scheduleLook() {
        guard !isLookScheduled else { return }
        isLookScheduled = true
        eventLoop.execute {
            self.isLookScheduled = false
            self.onLook()
        }
    }

    /// Somebody in line has ended. Those that have are taken out now and then, as a reading may hang and clients may
    /// come and go meanwhile.
    func consumerEnded() {
        endedCount += 1
        guard endedCount > 64, endedCount > waiting.count / 2 else { return }
        waiting.removeAll { $0.isEnded }
        endedCount = 0
    }
}
