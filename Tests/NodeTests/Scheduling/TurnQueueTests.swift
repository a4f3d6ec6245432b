import Dispatch
import NIOCore
import NIOEmbedded
import Testing

@testable import Node

@Suite struct TurnQueueTests {
    /// Notes when something is scheduled; runs it when it is told to.
    private final class NotingLoop: EventLoop, @unchecked Sendable {
        let embedded = EmbeddedEventLoop()
        var log: [String] = []

        var inEventLoop: Bool { true }
        var now: NIODeadline { embedded.now }
        func execute(_ task: @escaping @Sendable () -> Void) { embedded.execute(task) }
        func scheduleTask<T>(deadline: NIODeadline, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
            embedded.scheduleTask(deadline: deadline, task)
        }
        func scheduleTask<T>(in delay: TimeAmount, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
            log.append("pause")
            return embedded.scheduleTask(in: delay, task)
        }
        func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) {}
    }

    /// NIO runs what is due before it looks at its sockets: a pause that began with the slice would be over at its end.
    @Test func thePauseBetweenTwoSlicesBeginsAtTheEndOfTheFirst() {
        let loop = NotingLoop()
        let queue = TurnQueue(eventLoop: loop)
        for name in ["a", "b"] {
            queue.add {
                loop.log.append(name)
                queue.add { loop.log.append(name + " again") }
            }
        }
        #expect(loop.log == ["pause"])
        loop.embedded.advanceTime(by: .milliseconds(1))
        #expect(loop.log.prefix(4) == ["pause", "a", "b", "pause"])
        loop.embedded.advanceTime(by: .milliseconds(1))
        #expect(loop.log == ["pause", "a", "b", "pause", "a again", "b again"])
    }
}
