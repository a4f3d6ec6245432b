import Authentication
import NIOCore

/// Something that a client may ask for beyond subscribing: a use case of its own, called alike by a STOMP frame and by
/// an HTTP request. It knows no protocol, no socket and no event loop.
public protocol AppCommand: Sendable {
    /// The name under which clients know it: a SEND to `/app/<name>`.
    var name: String { get }

    /// Whether it is of no use without its answer.
    var isQuestion: Bool { get }

    /// Whether it is served only where the operators' console is.
    var isForOperators: Bool { get }

    /// Does what is asked for; what it wrote is committed when it returns.
    ///
    /// - Returns: what the client is answered, if anything.
    /// - Throws: why not, in a sentence for the developer of the client; then nothing was done.
    func run(_ request: CommandRequest, by identity: Identity) async throws(CommandRefusal) -> CommandReply?
}

extension AppCommand {
    public var isQuestion: Bool { false }
    public var isForOperators: Bool { false }
}

/// What a client is answered: JSON.
public struct CommandReply: Sendable {
    public let json: String

    public init(json: String) { self.json = json }
}

/// What came with a command.
public struct CommandRequest: Sendable {
    /// Names and values as the client sent them; of repeated names the first.
    public let headers: [String: String]
    public let body: ByteBuffer

    public init(headers: [String: String], body: ByteBuffer) {
        self.headers = headers
        self.body = body
    }
}
