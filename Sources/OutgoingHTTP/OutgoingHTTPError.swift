/// Why a question to another server got no answer. For the operator's log: its sentence names what the other side did
/// or did not do, never what was sent.
public struct OutgoingHTTPError: Error, Sendable, CustomStringConvertible {
    /// What went wrong.
    public struct Code: Hashable, Sendable {
        enum Value { case unreachable, timeout, tooLarge, badRequest }
        let value: Value
        /// No connection, or one that broke off: the name is unknown, nobody listens, TLS failed.
        public static let unreachable = Code(value: .unreachable)
        /// The whole answer did not come in time.
        public static let timeout = Code(value: .timeout)
        /// The answer has more bytes than were asked for.
        public static let tooLarge = Code(value: .tooLarge)
        /// The URL or a header field is none.
        public static let badRequest = Code(value: .badRequest)
    }

    public let code: Code
    public let message: String
    public let underlying: (any Error)?
    public let file: String
    public let line: Int

    init(
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
