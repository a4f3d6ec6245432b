/// Why the bus could not do what it was asked.
public struct BusError: Error, Sendable, CustomStringConvertible {
    public struct Code: Hashable, Sendable {
        enum Value { case unavailable, refused, protocolViolation, closed, invalidConfiguration }
        let value: Value
        /// No connection; it is being tried again.
        public static let unavailable = Code(value: .unavailable)
        /// The server answered with an error; the message says which.
        public static let refused = Code(value: .refused)
        /// Bytes that are not the server's protocol.
        public static let protocolViolation = Code(value: .protocolViolation)
        /// `close()` was called.
        public static let closed = Code(value: .closed)
        /// A URL or setting that cannot work.
        public static let invalidConfiguration = Code(value: .invalidConfiguration)
    }

    public let code: Code
    /// A sentence for an operator; it never holds a password or a payload.
    public let message: String
    public let underlying: (any Error)?
    public let file: String
    public let line: Int

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
