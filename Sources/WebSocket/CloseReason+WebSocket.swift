import BelfryModel

extension CloseReason {
    /// The status code of the Close frame: RFC 6455, section 7.4.1, and its private range (4000–4999, section 7.4.2).
    public var webSocketCode: UInt16 {
        switch self {
        case .clientDisconnected, .connectionLost: 1000
        case .shuttingDown: 1012
        case .protocolViolation: 1002
        case .invalidUTF8: 1007
        case .frameTooLarge: 1009
        case .internalError: 1011
        case .overloaded, .authenticationUnavailable: 1013
        case .connectTimeout: 4000
        case .unauthorized: 4001
        case .tokenExpired: 4002
        case .forbidden: 4003
        case .heartBeatMissed: 4004
        case .slowConsumer: 4008
        case .tooManySessions: 4009
        case .closedByOperator: 4010
        }
    }

    /// Whether what the peer sent was no WebSocket any more, or too much of it ("_Fail the WebSocket Connection_", RFC
    /// 6455).
    var failsTheConnection: Bool {
        switch self {
        case .protocolViolation, .invalidUTF8, .frameTooLarge: true
        case .clientDisconnected, .connectionLost, .shuttingDown, .connectTimeout, .unauthorized, .tokenExpired,
            .authenticationUnavailable, .forbidden, .heartBeatMissed, .slowConsumer, .tooManySessions,
            .closedByOperator,
            .overloaded,
            .internalError:
            false
        }
    }
}
