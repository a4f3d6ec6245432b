/// Why Belfry does not start: a setting that is unknown, unreadable or missing.
struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    /// What was wrong.
    struct Code: Hashable, Sendable {
        enum Value { case unknownSetting, invalidValue, missing, unreadableFile, secretOnCommandLine, unsafe }
        let value: Value
        /// A name that no setting has.
        static let unknownSetting = Code(value: .unknownSetting)
        /// A value that can't be what the setting is.
        static let invalidValue = Code(value: .invalidValue)
        /// A setting that the command can't do without.
        static let missing = Code(value: .missing)
        /// A configuration file that is absent or is not what its name says.
        static let unreadableFile = Code(value: .unreadableFile)
        /// A secret where every user of the machine can read it.
        static let secretOnCommandLine = Code(value: .secretOnCommandLine)
        /// Settings that open what they should protect.
        static let unsafe = Code(value: .unsafe)
    }

    let code: Code
    /// A sentence naming the setting and its source; never a secret's value.
    let message: String
    let underlying: (any Error)?
    let file: String
    let line: Int

    init(
        _ code: Code, _ message: String, underlying: (any Error)? = nil, file: String = #fileID, line: Int = #line
    ) {
        self.code = code
        self.message = message
        self.underlying = underlying
        self.file = file
        self.line = line
    }

    var description: String { message }
}
