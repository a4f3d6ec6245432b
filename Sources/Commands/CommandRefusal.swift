/// Why a command was not carried out; nothing of it was done, but where the code says that this is not known.
public struct CommandRefusal: Error, Sendable, CustomStringConvertible {
    /// Whose fault it is.
    public struct Code: Hashable, Sendable {
        enum Value { case invalid, forbidden, conflict, unavailable, outcomeUnknown }
        let value: Value
        /// What was sent: the same again would be refused again.
        public static let invalid = Code(value: .invalid)
        /// The user may not ask for it.
        public static let forbidden = Code(value: .forbidden)
        /// What was done before stands against it.
        public static let conflict = Code(value: .conflict)
        /// PostgreSQL is away, or another fault of the node's: the same may succeed later.
        public static let unavailable = Code(value: .unavailable)
        /// The connection to PostgreSQL was lost while it was done: it may have been, or not.
        public static let outcomeUnknown = Code(value: .outcomeUnknown)
    }

    public let code: Code
    /// A sentence for the developer of the client.
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
