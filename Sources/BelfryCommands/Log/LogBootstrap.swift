import Logging

/// Chooses where log messages go: standard error, as text or as JSON lines.
enum LogBootstrap {
    /// Once a process, before the first logger is made.
    static func run(_ configuration: BelfryConfiguration) {
        let (level, format) = (configuration.logLevel, configuration.logFormat)
        LoggingSystem.bootstrap { label in
            var handler: any LogHandler =
                switch format {
                case .text: StreamLogHandler.standardError(label: label)
                case .json: JSONLogHandler(label: label) { StandardError.write($0) }
                }
            handler.logLevel = level
            return handler
        }
    }
}
