import BelfryModel
import NIOCore
import WebSocket

/// The last frame of a session: a code and a sentence.
public struct CloseFrame: Hashable, Sendable {
    public let code: UInt16
    public let reason: String

    public init(code: UInt16, reason: String) {
        self.code = code
        self.reason = reason
    }

    /// The codes are those of a WebSocket's Close frame.
    init(_ reason: CloseReason) { self.init(code: reason.webSocketCode, reason: reason.text) }

    /// To a second request that wants to be answered by a session's frames while the first is under way.
    static let alreadyOpen = CloseFrame(code: 2010, reason: "Another connection still open")
    /// A response broke off: what was written into it may be lost.
    static let interrupted = CloseFrame(code: 1002, reason: "Connection interrupted")

    var payload: ByteBuffer {
        var payload = ByteBuffer(string: "c[\(code),")
        MessageQuoting.quote(ByteBuffer(string: reason), into: &payload)
        payload.writeStaticString("]")
        return payload
    }
}
