import NIOCore
import Synchronization

/// How much waits in all buffers of a client, and whether its socket is read meanwhile.
///
/// Unchecked: `connection` is touched on the event loop only.
final class ReadingBudget: @unchecked Sendable {
    private let machine: Mutex<ReadingMachine>
    private let eventLoop: any EventLoop
    private weak var connection: ClientConnection?

    init(messagesMax: Int, bytesMax: Int, eventLoop: any EventLoop) {
        machine = Mutex(ReadingMachine(messagesMax: messagesMax, bytesMax: bytesMax))
        self.eventLoop = eventLoop
    }

    /// The connection that is read by; called on the event loop.
    func serve(_ connection: ClientConnection) {
        self.connection = connection
    }

    /// Called on any thread, as all below.
    var mayRead: Bool { machine.withLock { $0.mayRead } }

    /// For tests: what waits for the program.
    var waiting: (messages: Int, bytes: Int) { machine.withLock { ($0.messages, $0.bytes) } }

    func buffered(bytes: Int) {
        machine.withLock { $0.buffered(bytes: bytes) }
    }

    func taken(messages: Int, bytes: Int) {
        change { $0.taken(messages: messages, bytes: bytes) }
    }

    func answerAwaited(_ isAwaited: Bool) {
        change { $0.answerAwaited(isAwaited) }
    }

    private func change(_ body: (inout ReadingMachine) -> Void) {
        let isToRead = machine.withLock { machine in
            let couldRead = machine.mayRead
            body(&machine)
            return !couldRead && machine.mayRead
        }
        guard isToRead else { return }
        eventLoop.execute { self.connection?.readAgain() }
    }
}
