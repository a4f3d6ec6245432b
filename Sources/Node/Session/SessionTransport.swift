import BelfryModel
import NIOCore

/// What carries a session's STOMP bytes, such as a WebSocket. Used on the session's event loop only.
///
/// `append`, `waitingBytes` and `isWritable` are asked for while a session is at work, and call nothing of the
/// session's.
public protocol SessionTransport: AnyObject {
    /// Appends one frame (or a heart-beat) of exactly `byteCount` bytes, which `write` writes, to what the next `flush`
    /// sends.
    ///
    /// - Parameter isUTF8: whether all of the bytes are UTF-8, for transports that carry text and bytes apart.
    func append(byteCount: Int, isUTF8: Bool, _ write: (inout ByteBuffer) -> Void)

    /// Writes all that was appended, in one write. `written` runs on the session's event loop once the bytes have left
    /// for the socket; it does not run when they can't.
    func flush(written: (@Sendable () -> Void)?)

    /// Bytes that wait for the peer, in this process.
    var waitingBytes: Int { get }

    /// Whether the peer takes bytes at the moment.
    var isWritable: Bool { get }

    /// Says farewell in the transport's own way, then closes. What was appended before goes out first, as long as the
    /// peer takes it in a few seconds.
    func close(_ reason: CloseReason)

    /// Drops what was appended and not flushed.
    ///
    /// - Returns: whether nothing that was flushed waits in this process either. If something does, only `abort` keeps
    ///   it from the peer.
    func discardUnflushed() -> Bool

    /// Ends without a farewell: what waits for the peer is not sent any more.
    func abort()

    /// Stops, and later takes up again, reading from the peer.
    func setReading(_ isReading: Bool)
}
