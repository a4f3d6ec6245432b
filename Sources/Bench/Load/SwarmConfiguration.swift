/// What a swarm consists of.
public struct SwarmConfiguration: Sendable {
    /// Called for every message on the swarm's thread: the connection's number, the message's bytes (of STOMP the body
    /// only), and when it was read, in nanoseconds of `MonotonicClock`. The bytes are valid during the call only.
    public typealias OnMessage = @Sendable (Int, UnsafeRawBufferPointer, UInt64) -> Void

    /// Of the server on 127.0.0.1.
    public var port: Int
    /// Connections.
    public var count: Int
    public var greeting: SwarmGreeting
    /// The number of the first connection, so that several swarms have different users.
    public var firstNumber = 0
    /// Threads; each has an equal share of the connections.
    public var threads = 1
    /// Connections that are in the middle of their greeting at any time.
    public var greetingsMax = 256
    /// Answers each MESSAGE with an ACK; those of one read go out in one write.
    public var acknowledges = false
    /// The period in which each connection sends a STOMP heart-beat; 0 for none.
    public var heartBeatMilliseconds = 0
    /// The time in which all connections must be ready.
    public var secondsToReady = 60
    /// Spreads the connections over 127.0.0.1 … 127.0.0.8 as their source. One address has some 28,000 ports to one peer.
    public var spreadsSources: Bool
    public var onMessage: OnMessage?
    /// `onMessage` is called for the connections whose number is a multiple of this; the others are only counted.
    public var watchedEvery = 1

    /// A swarm of `count` connections to 127.0.0.1:`port`.
    public init(port: Int, count: Int, greeting: SwarmGreeting, onMessage: OnMessage? = nil) {
        self.port = port
        self.count = count
        self.greeting = greeting
        self.onMessage = onMessage
        spreadsSources = count > 20_000
    }
}
