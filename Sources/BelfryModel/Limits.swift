/// The bounds of gateway and relay that a setting can change, or that several targets share. A bound that belongs to
/// one mechanism stands beside it, as a constant with its reason. Bytes are bytes on the wire; times are `Duration`s.
public struct Limits: Sendable, Hashable {
    // MARK: a frame from a client
    /// Bytes of one header line; STOMP 1.2 lets a server bound it. A JWT with many claims fits in it.
    public var headerLineBytesMax = 16 * 1024
    /// Bytes of all header lines of one frame: what a peer may make us hold before it has said who it is.
    public var headerBytesMax = 64 * 1024
    /// Headers in one frame.
    public var headersMax = 64
    /// Bytes of the body of one frame: that of a SEND.
    public var bodyBytesMax = 64 * 1024
    /// Bytes of one WebSocket message, all its fragments together; the largest STOMP frame fits in it.
    public var webSocketMessageBytesMax = 132 * 1024
    /// Frames of one session in a second; over it the session is not read from for a while.
    public var framesPerSecondMax = 20_000

    // MARK: connections
    /// Connections open on one node, over all of its ports: its sessions, and some that are none yet or plain HTTP.
    public var connectionsMax = 120_000
    /// Connections a second on one node, ten seconds' worth at once; 0 is no limit. What two cores can greet: beyond it
    /// those that are there would suffer.
    public var connectionsPerSecondMax = 5_000
    /// Connections open of one address, an IPv6 network of 64 bits being one: all of an office are behind one.
    public var connectionsPerAddressMax = 10_000
    /// Connections a second of one address, ten seconds' worth at once; 0 is no limit.
    public var connectionsPerAddressPerSecondMax = 100
    /// Time for a PROXY header and the TLS handshake together.
    public var openingTimeout: Duration = .seconds(5)

    // MARK: plain HTTP
    /// Time from the opening of a connection to the end of its first request's head.
    public var firstRequestTimeout: Duration = .seconds(10)
    /// Bytes of one line of a request's head. Of what is served here only a cookie that is not ours is longer than a
    /// line.
    public var requestHeaderBytesMax = 16 * 1024
    /// Bytes of a request's head.
    public var requestHeadBytesMax = 64 * 1024
    /// Header lines of a request.
    public var requestHeadersMax = 128
    /// Requests that one connection may bring; then it is closed behind the answer, so that no peer keeps its place on
    /// a node for ever.
    public var requestsPerConnectionMax = 1_000
    /// Time without a request after which a connection is closed.
    public var idleTimeout: Duration = .seconds(60)
    /// Time from the end of a request's head to the end of the request: a peer without a token must not hold a
    /// connection by a byte a second. The largest body that is read comes in it at 150 kbit/s.
    public var requestTimeout: Duration = .seconds(30)
    /// Time from the end of a request to the end of its answer, for a peer that does not read it. The longest of ours
    /// comes in it over the slowest line.
    public var answerTimeout: Duration = .seconds(60)

    // MARK: the API
    /// Bytes of a body with messages that an application sends; other bodies may have 64 KiB.
    public var requestBodyBytesMax = 2 * 1024 * 1024
    /// Requests of known users that one node serves at once. Each may hold a body.
    public var requestsInProgressMax = 256
    /// The same of one user.
    public var requestsPerUserInProgressMax = 16
    /// Requests of one user in a second, ten seconds' worth at once, but for those that send; 0 is no limit.
    public var requestsPerUserPerSecondMax = 50

    // MARK: a session
    /// Time from the connection to the end of its authentication.
    public var connectTimeout: Duration = .seconds(10)
    /// Clients of one node that wait at once for others to say who they are (the issuer of keys, the application, a
    /// password's hash). Each holds its session, a task and some kilobytes; further ones are told to come back.
    public var authenticationsMax = 5_000
    /// Bytes waiting for a client that reads slowly, over which its session is closed.
    public var outboundBytesMax = 4 * 1024 * 1024
    /// Messages sent and not yet acknowledged on one subscription; further ones wait in PostgreSQL.
    public var inFlightMax = 1_000
    /// Live messages held in memory while a subscription reads its backlog; more, and it reads the backlog once more.
    public var heldMessagesMax = 1_000
    /// Bytes of these.
    public var heldBytesMax = 4 * 1024 * 1024
    /// Time after which a message comes again on a subscription that is acknowledged by `/app/ack` alone, twice that at
    /// most.
    public var commandAckTimeout: Duration = .seconds(5)
    /// Receipts that one session is owed until PostgreSQL has committed; over it its frames wait.
    public var receiptsOwedMax = 1_000
    /// Bytes that one session has sent, by SEND and COMMIT, and PostgreSQL has not taken; over it its frames wait.
    public var sessionSendsPendingBytesMax = 1024 * 1024
    /// The same of all sessions of one event loop; over it the loop stops reading from clients.
    public var sendsPendingBytesMax = 64 * 1024 * 1024
    /// Time in which PostgreSQL must take what was sent; after it the session is told that it did not.
    public var sendTimeout: Duration = .seconds(10)
    /// Time for the marks behind DISCONNECT's receipt to be committed; after it the session ends without the receipt.
    public var disconnectTimeout: Duration = .seconds(5)
    /// Subscriptions of one session.
    public var subscriptionsMax = 64
    /// Transactions that one session has open at a time.
    public var transactionsMax = 16
    /// Bytes of the frames that a session's open transactions hold, all together.
    public var transactionBytesMax = 1024 * 1024
    /// Sessions of one user, over all nodes.
    public var sessionsPerUserMax = 10
    /// Whether a session too many closes its user's oldest; else it is refused itself.
    public var closesOldestSession = true
    /// Sessions on one node.
    public var sessionsMax = 100_000
    /// What the server offers and wants in CONNECTED's `heart-beat`, in milliseconds.
    public var heartBeatMilliseconds = 10_000

    // MARK: a node's end
    /// Time from the beginning of a node's end in which it still takes connections, and says that it is not ready: a
    /// load balancer has to notice.
    public var drainPause: Duration = .seconds(5)
    /// Time over which the node then closes its sessions at most, so that their clients do not come back all at once.
    /// Few sessions take less, a hundred of them a second.
    public var drainSpread: Duration = .seconds(10)

    // MARK: delivery
    /// Rows of one backlog read for one subscription.
    public var backlogRowsMax = 200
    /// Time in which ACKs are gathered before they are written as one statement.
    public var markInterval: Duration = .milliseconds(5)
    /// ACKs written by one statement.
    public var marksMax = 5_000
    /// ACKs waiting for PostgreSQL in one event loop; over it the loop stops reading from clients until they are
    /// written.
    public var marksPendingMax = 100_000
    /// Pause between two reconciles with PostgreSQL while Redis is there.
    public var reconcileInterval: Duration = .seconds(3)
    /// Pause between two reconciles while Redis is away: promise 8 asks for delivery within two seconds.
    public var degradedInterval: Duration = .milliseconds(300)
    /// Pause before a message that was refused by NACK is sent again.
    public var nackDelay: Duration = .seconds(5)
    /// NACKs after which a message is parked.
    public var nacksMax = 5
    /// How long a broadcast's row stays in the outbox after it was published, for nodes that missed it.
    public var topicHold: Duration = .seconds(60)

    // MARK: the relay
    /// Rows claimed and published at a time.
    public var claimRowsMax = 1_000
    /// Bytes of one envelope that Redis is asked to carry; a larger message is parked.
    public var envelopeBytesMax = 1024 * 1024
    /// Tries to publish one message before it is parked.
    public var publishAttemptsMax = 5
    /// The pause between two reads when no doorbell can be had.
    public var pollInterval: Duration = .milliseconds(200)
    /// The pause after which a sleeping relay looks by itself, whatever the doorbell said.
    public var safetyPollInterval: Duration = .seconds(10)

    /// Sessions of one user that one node takes, whatever it knows of the others: where the oldest is to be closed, as
    /// many again as there may be, until that has been done.
    public var sessionsPerUserOnNodeMax: Int {
        closesOldestSession ? sessionsPerUserMax.multipliedReportingOverflow(by: 2).partialValue : sessionsPerUserMax
    }

    public init() {}
}
