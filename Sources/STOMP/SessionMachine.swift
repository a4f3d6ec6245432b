import BelfryModel
import NIOCore

/// The server's side of one STOMP session, from the connection to its end: what each frame means, what is answered, and
/// which subscriptions and transactions there are. It has no socket, no clock and no database.
///
/// One method an event, one action back. Once it is closing, every event is answered with `.none`.
///
/// It speaks STOMP 1.0, 1.1 and 1.2, whichever CONNECT has negotiated.
public struct SessionMachine: ~Copyable {
    enum State: Hashable, Sendable {
        case awaitingConnect
        case connected
        case closing
    }

    /// The id of the session, in CONNECTED.
    public let session: String
    let server: String
    let subscriptionsMax: Int
    let heartBeatMilliseconds: UInt32
    /// What the transport's own handshake agreed on.
    private let agreedVersion: ProtocolVersion?

    var state = State.awaitingConnect
    /// Once CONNECT is there, the version that both sides speak.
    public internal(set) var version = ProtocolVersion.v12
    /// In the order of subscribing.
    public internal(set) var subscriptions: [Subscription] = []
    /// Of the latest subscription.
    var lastNumber: UInt32 = 0
    /// Those begun and neither committed nor aborted.
    var transactions: OpenTransactions

    /// - Parameters:
    ///   - session: unique among all sessions.
    ///   - server: name and version of the server, `belfry/1.0`.
    ///   - agreedVersion: what the transport's own handshake agreed on, if it did: a WebSocket's subprotocol.
    ///   - limits: of which `subscriptionsMax`, `transactionsMax`, `transactionBytesMax` and `heartBeatMilliseconds`
    ///     are used.
    public init(
        session: String, server: String, agreedVersion: ProtocolVersion? = nil, limits: Limits = Limits()
    ) {
        self.session = session
        self.server = server
        self.agreedVersion = agreedVersion
        transactions = OpenTransactions(limits: limits)
        subscriptionsMax = limits.subscriptionsMax
        heartBeatMilliseconds = UInt32(clamping: limits.heartBeatMilliseconds)
    }

    /// Whether the session is over, but for what is still to be written: every further event is ignored.
    public var isClosing: Bool {
        switch state {
        case .closing: true
        case .awaitingConnect, .connected: false
        }
    }

    /// The subscription of that number.
    public func subscription(number: UInt32) -> Subscription? {
        subscriptions.first { $0.number == number }
    }

    /// Ids are equal when their bytes are; Swift's strings also when only their Unicode composition differs.
    func index(ofSubscription id: String) -> Int? {
        subscriptions.firstIndex { $0.id?.utf8.elementsEqual(id.utf8) ?? false }
    }

    /// The subscription without an id to that destination, as STOMP 1.0 allows one.
    func index(ofNamelessSubscriptionTo destination: String) -> Int? {
        subscriptions.firstIndex { $0.namelessDestination?.utf8.elementsEqual(destination.utf8) ?? false }
    }

    /// The version that a CONNECT has negotiated; `nil` when it knows none that is served here.
    func negotiated(_ headers: Headers) -> ProtocolVersion? {
        ProtocolVersion.negotiated(accepted: headers["accept-version"], agreed: agreedVersion)
    }

    /// The RECEIPT for a `receipt` header that an action carried, to be written once the action is done.
    public func receipt(for receipt: String) -> Frame {
        Frame.receipt(for: receipt)
    }
}

// MARK: Events other than frames

extension SessionMachine {
    /// What a `ConnectRequest` showed was accepted.
    ///
    /// - Parameter expiry: further headers of CONNECTED, which tell until when.
    public mutating func authenticated(
        user: String, expiry: [Header] = [], for request: ConnectRequest
    ) -> SessionAction {
        switch state {
        case .awaitingConnect:
            state = .connected
            // STOMP 1.0 knows no heart-beats.
            let milliseconds = version == .v10 ? 0 : heartBeatMilliseconds
            var headers: Headers = [
                "version": version.rawValue,
                "heart-beat": "\(milliseconds),\(milliseconds)",
                "server": server,
                "session": session,
                "user-name": user,
            ]
            for header in expiry { headers.append(header) }
            return .open(
                connected: Frame(.connected, headers),
                HeartBeatAgreement(client: request.heartBeat, serverMilliseconds: milliseconds))
        case .connected, .closing:
            return .none
        }
    }

    /// The session was refused: its token, or for want of room.
    ///
    /// - Parameter sentence: for the developer of the client; it must not help an attacker.
    public mutating func authenticationFailed(
        _ reason: CloseReason = .unauthorized, _ sentence: String
    ) -> SessionAction {
        switch state {
        case .awaitingConnect: fail(reason, "CONNECT: \(sentence)")
        case .connected, .closing: .none
        }
    }

    /// `Limits.connectTimeout` has passed since the connection.
    public mutating func connectTimedOut() -> SessionAction {
        switch state {
        case .awaitingConnect:
            fail(.connectTimeout, "Send CONNECT right after connecting; the time for it is over.")
        case .connected, .closing: .none
        }
    }

    /// The client's bytes are no STOMP.
    public mutating func decodingFailed(_ error: FrameError) -> SessionAction {
        switch state {
        case .awaitingConnect, .connected:
            fail(error.closeReason, error.message, receipt: error.receipt)
        case .closing: .none
        }
    }

    /// The caller ends the session for a reason of its own: a slow consumer, missed heart-beats, a token that expired,
    /// a request that the user may not make, a fault of the database.
    ///
    /// - Parameters:
    ///   - sentence: for the developer of the client.
    ///   - message: the short text in the `message` header; the reason's own by default.
    ///   - command: the frame that caused it, if one did.
    ///   - receipt: the `receipt` header of that frame, if it had one.
    public mutating func failed(
        _ reason: CloseReason, _ sentence: String, message: String? = nil, command: Command? = nil,
        receipt: String? = nil
    ) -> SessionAction {
        switch state {
        case .awaitingConnect, .connected:
            fail(reason, (command.map { $0.rawValue + ": " } ?? "") + sentence, message: message, receipt: receipt)
        case .closing: .none
        }
    }

    /// The transport has ended, whoever ended it.
    public mutating func connectionClosed() {
        switch state {
        case .awaitingConnect, .connected:
            state = .closing
            transactions.abortAll()
        case .closing: break
        }
    }

    /// Ends the session with an ERROR frame.
    ///
    /// - Parameter message: the short text in the `message` header; the reason's own by default.
    mutating func fail(
        _ reason: CloseReason, _ sentence: String, message: String? = nil, receipt: String? = nil,
        versions: String? = nil
    ) -> SessionAction {
        state = .closing
        transactions.abortAll()
        var headers: Headers = ["message": message ?? reason.text, "content-type": "text/plain"]
        if let versions { headers.append("version", versions) }
        if let seconds = reason.retryAfterSeconds { headers.append("retry-after", "\(seconds)") }
        if let receipt { headers.append("receipt-id", receipt) }
        return .fail(Frame(.error, headers, body: ByteBuffer(string: sentence + "\n")), reason)
    }
}
