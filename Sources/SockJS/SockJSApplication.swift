import Node
import WebSocket

/// Who a session's messages go to: whoever takes those of a WebSocket, of which each is one part here. Used on the
/// session's event loop only; downward it has the `SockJSTransport`.
public protocol SockJSApplication: WebSocketReceiver {
    /// Whether it is not known yet who the client is.
    var isStranger: Bool { get }
}

extension Session: SockJSApplication {}

/// A SockJS session as its application sees it.
public protocol SockJSTransport: SessionTransport {
    /// Ends it with a code and a sentence of the application's own, as `close` does with ours.
    func close(_ frame: CloseFrame)
}
