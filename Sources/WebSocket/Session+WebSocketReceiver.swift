import BelfryModel
import NIOCore
import Node

/// A session takes the parts of all messages as one stream: STOMP frames may be split over messages, and several may
/// share one.
extension Session: WebSocketReceiver {
    public func partReceived(_ part: WebSocketMessagePart) {
        if part.bytes.readableBytes > 0 { bytesReceived(part.bytes) }
    }
}

extension WebSocketHandler {
    /// A WebSocket with STOMP frames in it.
    ///
    /// - Parameters:
    ///   - worker: that of the channel's event loop.
    ///   - connection: what the handshake told of the client.
    ///   - limits: of them `webSocketMessageBytesMax`.
    ///   - compression: if it was agreed on, with what belongs to the channel's event loop.
    public convenience init(
        worker: Worker, connection: ClientConnection = ClientConnection(transport: "websocket"), limits: Limits,
        compression: WebSocketCompression.Agreed? = nil
    ) {
        self.init(limits: limits, compression: compression) { worker.open(transport: $0, of: connection) }
    }
}
