/// Why a session was ended: one list for logs, metrics, the ERROR frame and the farewell of every transport, which has
/// codes of its own for them.
public enum CloseReason: String, Hashable, Sendable, CaseIterable {
    /// The client sent DISCONNECT, or closed its connection with a farewell.
    case clientDisconnected
    /// The transport ended without a closing handshake.
    case connectionLost
    /// This process stops, and others take over.
    case shuttingDown
    /// Bytes that are not STOMP 1.2, or not the transport's protocol.
    case protocolViolation
    /// Text, or the header of a frame, that is not UTF-8.
    case invalidUTF8
    /// A frame, a header or a number of headers over the limit.
    case frameTooLarge
    /// No CONNECT within the time given for it.
    case connectTimeout
    /// The token was refused.
    case unauthorized
    /// Who the client is could not be found out: who would know did not answer.
    case authenticationUnavailable
    /// The token expired while the session was open.
    case tokenExpired
    /// A frame that asks for what the user may not have.
    case forbidden
    /// The client sent nothing for twice its heart-beat interval.
    case heartBeatMissed
    /// More bytes were waiting for the client than the limit allows.
    case slowConsumer
    /// More sessions of one user than the limit allows.
    case tooManySessions
    /// An operator ended the user's sessions.
    case closedByOperator
    /// This node has no room for another session.
    case overloaded
    /// PostgreSQL or an invariant failed us; nothing is lost.
    case internalError

    /// After how many seconds a client may come back, where it should not at once: as `text` says it, and the header
    /// `retry-after` of the ERROR frame. Clients add something at random, so that they do not come back in step.
    public var retryAfterSeconds: Int? {
        switch self {
        case .shuttingDown: 1
        case .overloaded, .authenticationUnavailable: 10
        case .clientDisconnected, .connectionLost, .protocolViolation, .invalidUTF8, .frameTooLarge, .connectTimeout,
            .unauthorized, .tokenExpired, .forbidden, .heartBeatMissed, .slowConsumer, .tooManySessions,
            .closedByOperator,
            .internalError:
            nil
        }
    }

    /// A short sentence for a person, in the transport's farewell and in the `message` header of the ERROR frame; under
    /// 100 bytes.
    public var text: String {
        switch self {
        case .clientDisconnected: "The client disconnected."
        case .connectionLost: "The connection was lost."
        case .shuttingDown: "This node is stopping; connect again in 1 s."
        case .protocolViolation: "The frame was not understood."
        case .invalidUTF8: "The text was not UTF-8."
        case .frameTooLarge: "The frame was over a size limit."
        case .connectTimeout: "No CONNECT frame came in time."
        case .unauthorized: "The token was refused."
        case .authenticationUnavailable: "Who you are can't be checked now; connect again in 10 s."
        case .tokenExpired: "The token has expired; connect again with a new one."
        case .forbidden: "That is not allowed for this user."
        case .heartBeatMissed: "The client's heart-beats stopped."
        case .slowConsumer: "The client reads too slowly; connect again, nothing was lost."
        case .tooManySessions: "This user has too many sessions."
        case .closedByOperator: "An operator ended this user's sessions."
        case .overloaded: "This node is full; connect again in 10 s."
        case .internalError: "The node had an internal error; connect again, nothing was lost."
        }
    }
}
