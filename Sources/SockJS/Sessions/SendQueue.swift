import DequeModule
import NIOCore

/// What a client has sent by requests of their own, until its session has taken it: in the order in which the requests
/// came, whatever connections they came on.
struct SendQueue {
    /// What a request that sends is answered by.
    enum Outcome: Sendable {
        case taken
        case noSession
        /// Too much waits already.
        case busy
    }

    /// Requests that wait at most. The client's script has one under way; each holds a body of bounded size.
    static let sendsMax = 8

    private struct Send {
        var batch: MessageBatch
        let answer: @Sendable (Outcome) -> Void
    }

    private var waiting: Deque<Send> = []

    var isFull: Bool { waiting.count >= Self.sendsMax }

    mutating func append(_ batch: MessageBatch, answer: @escaping @Sendable (Outcome) -> Void) {
        waiting.append(Send(batch: batch, answer: answer))
    }

    /// Takes the next message out. Whoever is through is answered.
    mutating func next() -> ByteBuffer? {
        while !waiting.isEmpty {
            if let message = waiting[0].batch.next() { return message }
            waiting.removeFirst().answer(.taken)
        }
        return nil
    }

    /// Answers whoever is through, although no further message is wanted.
    mutating func settle() {
        while waiting.first?.batch.isEmpty == true { waiting.removeFirst().answer(.taken) }
    }

    /// The session is over: nothing that waits is taken.
    mutating func end() {
        for send in exchange(&waiting, with: []) { send.answer(.noSession) }
    }
}
