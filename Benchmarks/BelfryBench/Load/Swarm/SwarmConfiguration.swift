/// What a swarm consists of.
struct SwarmConfiguration: Sendable {
    /// Called for every message on the swarm's thread: the connection's number, the message's bytes (of STOMP the body
    /// only), and when it was read, in nanoseconds of `MonotonicClock`. The bytes are valid during the call only.
    typealias OnMessage = @Sendable (Int, UnsafeRawBufferPointer, UInt64) -> Void

    /// Of the server on 127.0.0.1.
    var port: Int
    /// Connections.
    var count: Int
    var greeting: SwarmGreeting
    /// The number of the first connection, so that several swarms have different users.
    var firstNumber = 0
    /// Threads; each has an equal share of the connections.
    var threads = 1
    /// Connections that are in the middle of their greeting at any time.
    var greetingsMax = 256
    /// Answers each MESSAGE with an ACK; those of one read go out in one write.
    var acknowledges = false
    /// The period in which each connection sends a STOMP heart-beat; 0 for none.
    var heartBeatMilliseconds = 0
    /// The time in which all connections must be ready.
    var secondsToReady = 60
    /// Spreads the connections over 127.0.0.1 … 127.0.0.8 as their source: one address has some 28,000 ports to one
    /// peer.
    var spreadsSources: Bool
    var onMessage: OnMessage?
    /// `onMessage` is called for the connections whose number is a multiple of this; the others are only counted.
    var watchedEvery = 1

    /// A swarm of `count` connections to 127.0.0.1:`port`.
    init(port: Int, count: Int, greeting: SwarmGreeting, onMessage: OnMessage? = nil) {
        self.port = port
        self.count = count
        self.greeting = greeting
        self.onMessage = onMessage
        spreadsSources = count > 20_000
    }
}
