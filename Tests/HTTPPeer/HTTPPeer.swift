import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix

/// A real HTTP server on a free loopback port that does what a test says, good manners or bad.
public final class HTTPPeer: Sendable {
    /// A request as it came, whole.
    public struct Request: Sendable {
        public let method: String
        public let path: String
        /// Names and values as they came.
        public let fields: [(name: String, value: String)]
        public let body: String

        /// The first value of a field, whatever the case of its name.
        public func field(_ name: String) -> String? {
            fields.first { $0.name.lowercased() == name.lowercased() }?.value
        }
    }

    /// What becomes of a request.
    public enum Behavior: Sendable {
        case answer(status: Int, body: String, fields: [(name: String, value: String)] = [])
        /// The bytes as they are, and no more.
        case raw(String)
        /// Nothing, until the client goes.
        case silence
        /// A head, and then a byte of the body every few milliseconds without an end.
        case trickle
        /// A body without an end, as fast as it is taken.
        case flood
        /// The connection is closed without a word.
        case hangUp
    }

    private let channel: any Channel
    private let seen: NIOLockedValueBox<[Request]>
    private let behave: NIOLockedValueBox<@Sendable (Request) -> Behavior>

    /// - Parameters:
    ///   - port: a certain one, for a server that comes back.
    ///   - behavior: for each request, in the order in which they come.
    public static func start(
        port: Int = 0, _ behavior: @escaping @Sendable (Request) -> Behavior
    ) async throws -> HTTPPeer {
        let seen = NIOLockedValueBox<[Request]>([])
        let behave = NIOLockedValueBox(behavior)
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let outlet = BytesOutlet()
                    try channel.pipeline.syncOperations.addHandler(outlet)
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false)
                    try channel.pipeline.syncOperations.addHandler(
                        PeerHandler(outlet: outlet) { request in
                            seen.withLockedValue { $0.append(request) }
                            return behave.withLockedValue { $0 }(request)
                        })
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        return HTTPPeer(channel: channel, seen: seen, behave: behave)
    }

    private init(
        channel: any Channel, seen: NIOLockedValueBox<[Request]>,
        behave: NIOLockedValueBox<@Sendable (Request) -> Behavior>
    ) {
        self.channel = channel
        self.seen = seen
        self.behave = behave
    }

    public var port: Int { channel.localAddress?.port ?? 0 }

    /// - Parameter path: with its slash.
    public func url(_ path: String) -> String { "http://127.0.0.1:\(port)\(path)" }

    /// What has been asked so far.
    public var requests: [Request] { seen.withLockedValue { $0 } }

    /// From now on.
    public func behave(_ behavior: @escaping @Sendable (Request) -> Behavior) {
        behave.withLockedValue { $0 = behavior }
    }

    /// Stops accepting; connections that stand stay.
    public func stop() async { try? await channel.close() }
}
