/// What went wrong, with a sentence for a person. It holds no token and no message's content.
public struct BelfryClientError: Error, Sendable, CustomStringConvertible {
    /// What kind of thing went wrong.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        enum Value: String, CaseIterable {
            case invalidConfiguration, alreadyRun, closed
            case unreachable, handshakeRefused, connectionLost, timedOut, serverStopping, serverUnavailable,
                serverFailed, tooSlow
            case tokenUnavailable, tokenRefused, tokenExpired, tooManySessions, endedByOperator, protocolViolation,
                tooLarge
            case invalid, forbidden, unavailable, tooManyRequests, unexpectedAnswer
        }
        let value: Value

        /// The URL or a setting cannot work.
        public static let invalidConfiguration = Code(value: .invalidConfiguration)
        /// `run()` was called a second time, or two tasks took messages from one iterator.
        public static let alreadyRun = Code(value: .alreadyRun)
        /// The client has ended, as it was told to.
        public static let closed = Code(value: .closed)

        /// Nothing answers at the server's address, or its certificate is not trusted.
        public static let unreachable = Code(value: .unreachable)
        /// What answers serves no WebSocket there, or not now.
        public static let handshakeRefused = Code(value: .handshakeRefused)
        /// The connection broke off; what was under way may have been done or not.
        public static let connectionLost = Code(value: .connectionLost)
        /// The answer, or the other side's heart-beats, did not come in time.
        public static let timedOut = Code(value: .timedOut)
        /// The node stops; others take over.
        public static let serverStopping = Code(value: .serverStopping)
        /// The node is full, or cannot find out now whose the token is.
        public static let serverUnavailable = Code(value: .serverUnavailable)
        /// The node had an internal error.
        public static let serverFailed = Code(value: .serverFailed)
        /// The node closed the connection, as too much was waiting for this client.
        public static let tooSlow = Code(value: .tooSlow)

        /// The closure that gives tokens threw; `underlying` is what it threw.
        public static let tokenUnavailable = Code(value: .tokenUnavailable)
        /// The token was refused: no other try with it will do.
        public static let tokenRefused = Code(value: .tokenRefused)
        /// The token has expired.
        public static let tokenExpired = Code(value: .tokenExpired)
        /// The user has too many sessions.
        public static let tooManySessions = Code(value: .tooManySessions)
        /// An operator ended the user's sessions; the client connects again, unless its token is refused now.
        public static let endedByOperator = Code(value: .endedByOperator)
        /// One side does not understand the other.
        public static let protocolViolation = Code(value: .protocolViolation)
        /// A message over a size limit, of the node's or of this client's configuration.
        public static let tooLarge = Code(value: .tooLarge)

        /// What was asked for is not in order; the same again would be refused again.
        public static let invalid = Code(value: .invalid)
        /// The user may not do that.
        public static let forbidden = Code(value: .forbidden)
        /// It could not be done now; the same may succeed later.
        public static let unavailable = Code(value: .unavailable)
        /// Too many requests of this client wait for their answers.
        public static let tooManyRequests = Code(value: .tooManyRequests)
        /// The server's answer is not what it should be.
        public static let unexpectedAnswer = Code(value: .unexpectedAnswer)

        public var description: String { value.rawValue }
    }

    public let code: Code
    /// A sentence for a person.
    public let message: String
    public let underlying: (any Error)?
    public let file: String
    public let line: Int

    /// - Parameter message: a sentence for a person.
    public init(
        _ code: Code, _ message: String, underlying: (any Error)? = nil, file: String = #fileID, line: Int = #line
    ) {
        self.code = code
        self.message = message
        self.underlying = underlying
        self.file = file
        self.line = line
    }

    public var description: String { message }
}

extension BelfryClientError.Code {
    /// Whether another connection would meet the same end, with the same token and the same program.
    var isFinal: Bool {
        switch value {
        case .invalidConfiguration, .alreadyRun, .closed, .tokenRefused, .forbidden, .tooManySessions,
            .protocolViolation, .tooLarge:
            true
        case .unreachable, .handshakeRefused, .connectionLost, .timedOut, .serverStopping, .serverUnavailable,
            .serverFailed, .tooSlow, .tokenUnavailable, .tokenExpired, .endedByOperator, .invalid, .unavailable,
            .tooManyRequests, .unexpectedAnswer:
            false
        }
    }
}

extension BelfryClientError {
    /// The client has ended, as it was told to.
    static var closed: BelfryClientError {
        BelfryClientError(.closed, "The client has ended: run() was cancelled.")
    }
}
