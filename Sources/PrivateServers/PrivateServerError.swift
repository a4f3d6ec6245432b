/// Why a private server could not be started or reached.
public struct PrivateServerError: Error, Sendable, CustomStringConvertible {
    /// What kind of failure it was.
    public struct Code: Hashable, Sendable {
        enum Value { case programNotFound, unusableDirectory, directoryInUse, startFailed }
        let value: Value
        /// A program (postgres, initdb, redis-server, setpriv) is not installed, or is too old.
        public static let programNotFound = Code(value: .programNotFound)
        /// The data directory can't be made, read or reached by the server's user, or holds something else.
        public static let unusableDirectory = Code(value: .unusableDirectory)
        /// Another running process has a server on the data directory.
        public static let directoryInUse = Code(value: .directoryInUse)
        /// The program ran and gave up, or was not ready in time; the message quotes the end of its log.
        public static let startFailed = Code(value: .startFailed)
    }

    public let code: Code
    /// A sentence a person can act on.
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
