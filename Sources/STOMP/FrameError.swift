import BelfryModel

/// Why bytes from a peer are no STOMP frame.
///
/// After it the stream cannot be read any further, since nobody knows where the next frame starts.
public struct FrameError: Error, Hashable, Sendable, CustomStringConvertible {
    /// What was wrong, for tests and metrics.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        enum Value: String {
            case unknownCommand, headerWithoutColon, emptyHeaderName, invalidEscape, invalidUTF8, carriageReturnInLine
            case unexpectedNull, tooManyHeaders, lineTooLong, headersTooLarge, invalidContentLength, bodyTooLarge,
                missingNull
            case bodyNotAllowed
        }
        let value: Value

        /// The first line is none of the commands.
        public static let unknownCommand = Code(value: .unknownCommand)
        /// A header line has no `:`.
        public static let headerWithoutColon = Code(value: .headerWithoutColon)
        /// A header line starts with `:`.
        public static let emptyHeaderName = Code(value: .emptyHeaderName)
        /// A backslash with something after it that the version does not know.
        public static let invalidEscape = Code(value: .invalidEscape)
        /// A header line that is not UTF-8.
        public static let invalidUTF8 = Code(value: .invalidUTF8)
        /// A carriage return within a line of STOMP 1.2.
        public static let carriageReturnInLine = Code(value: .carriageReturnInLine)
        /// A NULL octet before the empty line that ends the headers.
        public static let unexpectedNull = Code(value: .unexpectedNull)
        /// More headers than `Limits.headersMax`.
        public static let tooManyHeaders = Code(value: .tooManyHeaders)
        /// A header line over `Limits.headerLineBytesMax`.
        public static let lineTooLong = Code(value: .lineTooLong)
        /// All header lines together have more bytes than allowed.
        public static let headersTooLarge = Code(value: .headersTooLarge)
        /// A `content-length` that is not a decimal number.
        public static let invalidContentLength = Code(value: .invalidContentLength)
        /// A body over `Limits.bodyBytesMax`, announced or sent.
        public static let bodyTooLarge = Code(value: .bodyTooLarge)
        /// No NULL octet after the `content-length` octets of a body.
        public static let missingNull = Code(value: .missingNull)
        /// A body in a frame other than SEND, MESSAGE and ERROR.
        public static let bodyNotAllowed = Code(value: .bodyNotAllowed)

        public var description: String { value.rawValue }
    }

    public let code: Code
    /// What was wrong and what would be right, in a sentence or two for the developer of the client. It holds no header
    /// values, which may be secrets.
    public let message: String
    /// The command of the frame, once it was read.
    public let command: Command?
    /// The value of the frame's `receipt` header, once it was read.
    public let receipt: String?
    public let file: String
    public let line: Int

    init(
        _ code: Code, _ message: String, command: Command?, receipt: String?, file: String = #fileID, line: Int = #line
    ) {
        self.code = code
        self.message = message
        self.command = command
        self.receipt = receipt
        self.file = file
        self.line = line
    }

    /// The reason with which the session is to be closed.
    public var closeReason: CloseReason {
        switch code.value {
        case .invalidUTF8: .invalidUTF8
        case .tooManyHeaders, .lineTooLong, .headersTooLarge, .bodyTooLarge: .frameTooLarge
        case .unknownCommand, .headerWithoutColon, .emptyHeaderName, .invalidEscape, .carriageReturnInLine,
            .unexpectedNull, .invalidContentLength, .missingNull, .bodyNotAllowed:
            .protocolViolation
        }
    }

    public var description: String { message }
}
