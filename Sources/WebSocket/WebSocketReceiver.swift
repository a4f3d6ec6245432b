import BelfryModel
import NIOCore

/// A part of a data message (RFC 6455, section 5.6), unmasked; of text, known to be UTF-8 up to here.
public struct WebSocketMessagePart: Equatable, Sendable {
    /// Bytes of the message that follow those of the part before; none in an empty message or last fragment.
    public let bytes: ByteBuffer
    /// Whether it is a text message; otherwise a binary one.
    public let isText: Bool
    /// The message ends with this part, and the next one begins another.
    public let isLast: Bool

    public init(bytes: ByteBuffer, isText: Bool, isLast: Bool) {
        self.bytes = bytes
        self.isText = isText
        self.isLast = isLast
    }
}

/// Whom a WebSocket's messages go to: what `WebSocketHandler` tells upward, on its event loop. Downward the receiver
/// has `SessionTransport`, which the handler is.
///
/// A receiver of STOMP takes the parts of all messages as one stream; one of whole messages puts them together by
/// `WebSocketMessageAssembler`. It is told of everything from its making in the handler's `open` until
/// `transportEnded`, and at last `transportClosed`.
public protocol WebSocketReceiver: AnyObject {
    /// A message has begun, goes on or ends. All parts of one have `Limits.webSocketMessageBytesMax` bytes at most.
    func partReceived(_ part: WebSocketMessagePart)

    /// The peer sent something, whatever it was.
    func peerIsAlive()

    /// One of the peer's frames, a control frame too, has been dealt with. Who has had enough for now says
    /// `setReading(false)`, and is told of nothing more of what was read before `setReading(true)`.
    func frameHandled()

    /// The end of one read of the socket: what was written in it may be flushed.
    func readCompleted()

    /// The peer takes bytes again, or what waited for it is gone with it.
    func becameWritable()

    /// Something, such as an answer to a ping, waits to be flushed: `flush` is to be called, at the end of this turn of
    /// the loop or of the read.
    func touch()

    /// The peer broke the protocol or went over a limit, or the process stops. The receiver writes what it has to say
    /// to that, and calls `close` with that reason.
    func fail(_ reason: CloseReason)

    /// The peer has closed, or is lost: nothing that is written from now on leaves. Once, and never after `close` was
    /// called and answered in time.
    func transportEnded(_ reason: CloseReason)

    /// The socket is gone for good, and so is the handler from its channel. Once; what the peer had sent before may
    /// still be told after it, if the receiver paused reading, and then `transportEnded`.
    func transportClosed()
}
