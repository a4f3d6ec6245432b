import DequeModule
import NIOCore

/// What clients had sent when their turns were over: taken up by and by, each in its turn, with the event loop's other
/// work in between. Used on its event loop only.
public final class TurnQueue: @unchecked Sendable {
    /// What an event loop leaves free between two slices. `EventLoop.execute` would not do: NIO runs what is submitted
    /// before it looks at its sockets again.
    private static let pause = TimeAmount.microseconds(200)
    /// The length of a slice.
    private static let sliceMax = TimeAmount.microseconds(500)

    private let eventLoop: any EventLoop
    private var waiting: Deque<@Sendable () -> Void> = []
    private var isScheduled = false

    public init(eventLoop: any EventLoop) { self.eventLoop = eventLoop }

    /// Runs `turn` when those before it have had theirs.
    public func add(_ turn: @escaping @Sendable () -> Void) {
        waiting.append(turn)
        schedule()
    }

    private func schedule() {
        guard !isScheduled, !waiting.isEmpty else { return }
        isScheduled = true
        eventLoop.scheduleTask(in: Self.pause) { self.runSlice() }
    }

    private func runSlice() {
        let began = NIODeadline.now()
        // Those that come while it runs wait for the next one, and the pause before it begins at the end of this one:
        // what is due when a slice ends, NIO runs before it looks at its sockets.
        for _ in 0..<waiting.count {
            waiting.popFirst()?()
            if NIODeadline.now() - began >= Self.sliceMax { break }
        }
        isScheduled = false
        schedule()
    }
}
