import Floors

/// Publishes to a `BareFanOut`: length and bytes, answered by one byte.
///
/// Unchecked: one thread at a time uses it.
final class FanOutPublisher: MessagePublisher, @unchecked Sendable {
    private var socket: PublisherSocket
    private var unanswered = 0

    init(port: Int) throws {
        socket = try PublisherSocket(port: port)
        socket.append(Array(BareFanOut.feedGreeting.utf8))
    }

    func add(_ receiver: Int, number: Int, payload: [UInt8]) {
        withUnsafeBytes(of: UInt32(clamping: payload.count).bigEndian) { socket.append($0) }
        socket.append(payload)
        unanswered += 1
    }

    func flush() throws { try socket.flush() }

    func awaitAnswers(leaving count: Int) throws {
        while unanswered > count {
            try socket.receive()
            unanswered -= socket.inbound.count
            socket.dropInbound(socket.inbound.count)
        }
    }
}
