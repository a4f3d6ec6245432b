/// The commands of STOMP 1.0, 1.1 and 1.2, by the text that stands in a frame's first line.
public enum Command: String, Hashable, Sendable, CaseIterable {
    case connect = "CONNECT"
    /// Since 1.1: the same as CONNECT, and distinguishable from HTTP's method of that name.
    case stomp = "STOMP"
    case send = "SEND"
    case subscribe = "SUBSCRIBE"
    case unsubscribe = "UNSUBSCRIBE"
    case ack = "ACK"
    /// Since 1.1.
    case nack = "NACK"
    case begin = "BEGIN"
    case commit = "COMMIT"
    case abort = "ABORT"
    case disconnect = "DISCONNECT"

    case connected = "CONNECTED"
    case message = "MESSAGE"
    case receipt = "RECEIPT"
    case error = "ERROR"

    /// "Only the SEND, MESSAGE, and ERROR frames MAY have a body" ("STOMP 1.2, Body").
    public var mayHaveBody: Bool {
        switch self {
        case .send, .message, .error: true
        case .connect, .stomp, .subscribe, .unsubscribe, .ack, .nack, .begin, .commit, .abort, .disconnect, .connected,
            .receipt:
            false
        }
    }

    /// Whether headers go as they are: CONNECT and CONNECTED do "to remain backward compatible with STOMP 1.0"
    /// ("STOMP 1.2, Value Encoding"), and STOMP is to be handled as CONNECT is.
    var leavesHeadersUnescaped: Bool {
        switch self {
        case .connect, .stomp, .connected: true
        case .send, .subscribe, .unsubscribe, .ack, .nack, .begin, .commit, .abort, .disconnect, .message, .receipt,
            .error:
            false
        }
    }

    /// Bytes of the longest command.
    static let bytesMax = 11
}
