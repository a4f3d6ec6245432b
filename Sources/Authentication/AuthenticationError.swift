/// Why a client was refused, by what it showed or for want of somebody to ask.
///
/// It has two texts because two people read them: `message` goes to the client in the ERROR frame, where its developer
/// can act on it and an attacker learns nothing of the keys or of the values expected; `detail` goes to the log, where
/// the operator can tell a wrong configuration from a wrong client. Neither ever holds the token.
public struct AuthenticationError: Error, Sendable, CustomStringConvertible {
    /// What was wrong, for metrics and tests.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        enum Value: String {
            case missing, tooLong, malformed, algorithm, signature, expired, notYetValid, claim, user, password
            case refused, forbidden, unavailable
        }
        let value: Value
        /// No token came.
        public static let missing = Code(value: .missing)
        /// More bytes than a token may have.
        public static let tooLong = Code(value: .tooLong)
        /// Not a JWT in compact form, or a claim of the wrong type.
        public static let malformed = Code(value: .malformed)
        /// `none`, or an algorithm that no key here is for.
        public static let algorithm = Code(value: .algorithm)
        /// No key here made the signature.
        public static let signature = Code(value: .signature)
        /// `exp` has passed.
        public static let expired = Code(value: .expired)
        /// `nbf` has not come.
        public static let notYetValid = Code(value: .notYetValid)
        /// `iss` or `aud` is not what is configured, `exp` is absent where it is demanded, or rights are no patterns.
        public static let claim = Code(value: .claim)
        /// No user's id, or one that can't be a receiver.
        public static let user = Code(value: .user)

        /// No such login, or another password.
        public static let password = Code(value: .password)
        /// The application knows nobody by these credentials.
        public static let refused = Code(value: .refused)
        /// The application knows who it is, and does not let them in.
        public static let forbidden = Code(value: .forbidden)
        /// Who would know can't be asked now: the same may be accepted later.
        public static let unavailable = Code(value: .unavailable)

        /// A short word, fit for a metric's label.
        public var description: String { value.rawValue }
    }

    public let code: Code
    /// A sentence for the developer of the client.
    public let message: String
    /// A sentence for the operator's log.
    public let detail: String
    public let underlying: (any Error)?
    public let file: String
    public let line: Int

    /// - Parameters:
    ///   - message: for the client; no key ids, no expected values.
    ///   - detail: for the log; `message` when there is no more to say. Never the token.
    public init(
        _ code: Code, _ message: String, detail: String? = nil, underlying: (any Error)? = nil,
        file: String = #fileID, line: Int = #line
    ) {
        self.code = code
        self.message = message
        self.detail = detail ?? message
        self.underlying = underlying
        self.file = file
        self.line = line
    }

    /// The client's text: what is safe wherever it is printed.
    public var description: String { message }
}
