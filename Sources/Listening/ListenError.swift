/// Why a port can't be listened on, such as one in use.
public struct ListenError: Error, CustomStringConvertible {
    public let port: ListenerPort
    public let configuration: Listener.Configuration
    /// What the system, or the look-up of the host, says.
    public let underlying: any Error
    public let file: String
    public let line: Int

    init(
        _ port: ListenerPort, _ configuration: Listener.Configuration, underlying: any Error, file: String = #fileID,
        line: Int = #line
    ) {
        self.port = port
        self.configuration = configuration
        self.underlying = underlying
        self.file = file
        self.line = line
    }

    public var description: String { "Can't listen on \(configuration.host):\(configuration.port): \(underlying)" }
}
