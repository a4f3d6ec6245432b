import BelfryModel
import NIOCore
import WebSocket

/// Sends each message back, whole and of its kind, as soon as it has come. What waits for the peer is bounded: while it
/// does not take its answers, it is not read from.
final class EchoReceiver: WebSocketReceiver {
    private let webSocket: WebSocketHandler
    private var assembler = WebSocketMessageAssembler()

    init(_ webSocket: WebSocketHandler) { self.webSocket = webSocket }

    func partReceived(_ part: WebSocketMessagePart) {
        guard let message = assembler.add(part) else { return }
        webSocket.append(byteCount: message.readableBytes, isUTF8: part.isText) { $0.writeImmutableBuffer(message) }
        webSocket.flush(written: nil)
        if !webSocket.isWritable { webSocket.setReading(false) }
    }

    func becameWritable() { webSocket.setReading(true) }

    func touch() { webSocket.flush(written: nil) }

    func fail(_ reason: CloseReason) { webSocket.close(reason) }

    func peerIsAlive() {}
    func frameHandled() {}
    func readCompleted() {}
    func transportEnded(_ reason: CloseReason) {}
    func transportClosed() {}
}
