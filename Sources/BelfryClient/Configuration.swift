import Logging
import NIOCore
import NIOPosix
import NIOSSL

extension BelfryClient {
    /// How a client behaves; the defaults are those of `/stomp.js`, where it has the same.
    public struct Configuration: Sendable {
        // MARK: time
        /// How often each side says that it is alive, if it has nothing else to say; zero for not at all.
        public var heartBeat: Duration = .seconds(10)
        /// Time from the opening of a connection until the server has accepted the token.
        public var connectTimeout: Duration = .seconds(10)
        /// Time in which a request must be answered, with what it waits for a connection. A node gives up after 10 s
        /// where PostgreSQL is away, and after 20 s where it has begun and hangs.
        public var requestTimeout: Duration = .seconds(15)
        /// Time in which the server must have confirmed the end when `run()` is cancelled: that all acknowledgements
        /// are committed.
        public var disconnectTimeout: Duration = .seconds(5)
        /// The pause after the first failure; it doubles with each. Jitter takes off up to a half.
        public var retryPauseFirst: Duration = .milliseconds(500)
        /// The longest pause.
        public var retryPauseMax: Duration = .seconds(30)

        // MARK: memory
        /// Messages that wait to be taken, of all subscriptions together; with more the socket is not read. A
        /// subscription that acknowledges has no more in flight than that.
        public var bufferedMessagesMax = 1_000
        /// Bytes of their bodies.
        public var bufferedBytesMax = 4 * 1024 * 1024
        /// Bytes of one message; a larger one ends the client.
        public var messageBytesMax = 4 * 1024 * 1024
        /// Ids remembered for each subscription, to hand over every message once. More than the node has in flight
        /// (1,000).
        public var rememberedMessagesMax = 2_000
        /// Requests that wait for their answers at a time.
        public var requestsMax = 1_000

        // MARK: surroundings
        /// Whom to trust, and how to be known.
        public var tls = TLSConfiguration.makeClientConfiguration()
        /// Further headers of the WebSocket's handshake, such as `User-Agent`.
        public var handshakeHeaders: [String: String] = [:]
        /// Whose event loop does the work.
        public var eventLoopGroup: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
        /// Told of connections that come and go.
        public var logger = Logger(label: "belfry.client")

        public init() {}
    }
}
