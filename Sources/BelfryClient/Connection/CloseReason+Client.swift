import BelfryModel

/// What a client makes of the end that a server gave a session.
extension CloseReason {
    /// - Parameter webSocketCode: of a Close frame; what no node sends counts as a connection that was lost.
    init(webSocketCode: UInt16) {
        self =
            switch webSocketCode {
            case 1002: .protocolViolation
            case 1007: .invalidUTF8
            case 1009: .frameTooLarge
            case 1011: .internalError
            case 1012: .shuttingDown
            case 1013: .overloaded
            case 4000: .connectTimeout
            case 4001: .unauthorized
            case 4002: .tokenExpired
            case 4003: .forbidden
            case 4004: .heartBeatMissed
            case 4008: .slowConsumer
            case 4009: .tooManySessions
            case 4010: .closedByOperator
            default: .connectionLost
            }
    }

    /// - Parameter message: the header of an ERROR frame, which over TCP alone tells the reason; `nil` for any other.
    init?(message: String) {
        guard let reason = Self.allCases.first(where: { $0.text == message }) else { return nil }
        self = reason
    }

    /// What a program is told.
    var errorCode: BelfryClientError.Code {
        switch self {
        case .clientDisconnected, .connectionLost: .connectionLost
        case .shuttingDown: .serverStopping
        case .protocolViolation, .invalidUTF8: .protocolViolation
        case .frameTooLarge: .tooLarge
        case .connectTimeout, .heartBeatMissed: .timedOut
        case .unauthorized: .tokenRefused
        case .authenticationUnavailable, .overloaded: .serverUnavailable
        case .tokenExpired: .tokenExpired
        case .forbidden: .forbidden
        case .slowConsumer: .tooSlow
        case .tooManySessions: .tooManySessions
        case .closedByOperator: .endedByOperator
        case .internalError: .serverFailed
        }
    }
}
