import Hummingbird
import Listening
import Logging
import NIOCore
import NIOHTTP1

/// What a node's routes know of a request beside its head and body.
public struct NodeRequestContext: RequestContext {
    /// Where a request comes from.
    public struct Source: RequestContextSource {
        public let channel: any Channel
        public let logger: Logger
        let connection: AcceptedConnection
        let forwarding: ForwardedHeader
    }

    public var coreContext: CoreRequestContextStorage
    /// The channel that the answer goes to, on whose event loop it may be prepared.
    public let channel: any Channel
    private let connection: AcceptedConnection
    private let forwarding: ForwardedHeader

    public init(source: Source) {
        coreContext = .init(source: source)
        channel = source.channel
        connection = source.connection
        forwarding = source.forwarding
    }

    /// The client's address, as far as it is known.
    public func client(of request: Request) -> IPAddress? {
        guard connection.isOfTrustedProxy else { return connection.address }
        var headers = HTTPHeaders()
        for field in request.headers { headers.add(name: field.name.rawName, value: field.value) }
        return forwarding.read(headers, from: connection).client ?? connection.address
    }
}
