import BelfryModel
import NIOCore

/// What a client asks for with CONNECT or STOMP ("STOMP 1.2, CONNECT or STOMP Frame").
public struct ConnectRequest: Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    public let passcode: String?
    /// The header `token`.
    public let token: String?
    /// The header `Authorization`, however its first letter is written.
    public let authorization: String?
    public let heartBeat: HeartBeatOffer
    /// All headers of the frame.
    public let headers: Headers

    /// The header `login`; `nil` also when it is empty.
    public let login: String?

    /// The token to check: of `Authorization`, with or without `Bearer ` before it, else the header `token`. `nil` when
    /// there is none: clients that have no other place for it put it into `passcode`.
    public var bearerToken: String? {
        authorization.flatMap(Self.token(ofAuthorization:)) ?? token.flatMap { $0.isEmpty ? nil : $0 }
    }

    /// The token in the value of a header `Authorization`. Many clients send it bare: one word is a token, two are a
    /// scheme and its credentials, of which `Bearer` alone has a token.
    public static func token(ofAuthorization value: String) -> String? {
        // One blank or more between the two (RFC 9110, section 11.4), and none that counts at the ends.
        let text = withoutBlanks(value[...])
        let scheme = text.prefix { !isBlank($0) }
        let credentials = withoutBlanks(text[scheme.endIndex...])
        let isBearer = scheme.lowercased() == "bearer"
        guard !credentials.isEmpty else { return scheme.isEmpty || isBearer ? nil : String(scheme) }
        return isBearer ? String(credentials) : nil
    }

    private static func isBlank(_ character: Character) -> Bool { character == " " || character == "\t" }

    private static func withoutBlanks(_ text: Substring) -> Substring {
        var text = text.drop(while: isBlank)
        while let last = text.last, isBlank(last) { text.removeLast() }
        return text
    }

    public init(headers: Headers, heartBeat: HeartBeatOffer = .none) {
        passcode = headers["passcode"]
        login = headers["login"].flatMap { $0.isEmpty ? nil : $0 }
        token = headers["token"]
        authorization = headers["Authorization"] ?? headers["authorization"]
        self.heartBeat = heartBeat
        self.headers = headers
    }

    /// Names of headers only: their values are secrets.
    public var description: String { "CONNECT [\(headers.map(\.name).joined(separator: ", "))]" }
    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: ["description": description]) }
}

/// What a client asks for with SUBSCRIBE. The subscription stands in the machine's table already.
public struct SubscriptionRequest: Hashable, Sendable {
    public let subscription: Subscription
    /// The header `last-message-id`: what came after it is to be replayed first. An extension of Belfry; 0 means
    /// everything that is still kept.
    public let lastMessageID: MessageID?
    /// Whether the client has chosen the ack mode by the header `ack`.
    public let namesAckMode: Bool
    /// The header `unread`: how much is unread is to be told before the backlog. An extension of Belfry, for a user's
    /// queue.
    public let wantsUnread: Bool
    /// The header `receipt`, to be answered once the subscription stands.
    public let receipt: String?

    public init(
        subscription: Subscription, lastMessageID: MessageID?, namesAckMode: Bool = false, wantsUnread: Bool = false,
        receipt: String?
    ) {
        self.subscription = subscription
        self.lastMessageID = lastMessageID
        self.namesAckMode = namesAckMode
        self.wantsUnread = wantsUnread
        self.receipt = receipt
    }
}

/// What a client asks for with SEND. What its destination stands for is not the protocol's to know.
public struct SendRequest: Sendable {
    /// The header `destination`, which STOMP 1.2 demands.
    public let destination: String?
    /// All headers of the frame.
    public let headers: Headers
    public let body: ByteBuffer
    /// The header `receipt`, to be answered once what was asked for is committed.
    public let receipt: String?

    init(_ frame: Frame) {
        destination = frame.headers["destination"]
        headers = frame.headers
        // It may be kept for a while, and is counted by its own bytes: not with those that were read along with it.
        var body = frame.body
        body.releaseSpareStorage()
        self.body = body
        receipt = frame.headers["receipt"]
    }

    /// Bytes of its headers and its body.
    public var byteCount: Int {
        headers.reduce(body.readableBytes) { $0 + $1.name.utf8.count + $1.value.utf8.count }
    }
}

/// What a client asks for with ACK or NACK.
public struct AckRequest: Hashable, Sendable {
    /// `Subscription.number` of the message's subscription; `nil` for whichever has it in flight (STOMP 1.0). It may
    /// have ended meanwhile: its messages went back to the backlog then, and there is nothing left to acknowledge.
    public let subscription: UInt32?
    public let message: MessageID
    /// The header `receipt`, to be answered once what was asked for is committed.
    public let receipt: String?

    public init(subscription: UInt32?, message: MessageID, receipt: String?) {
        self.subscription = subscription
        self.message = message
        self.receipt = receipt
    }
}

/// What a client asks for with COMMIT: everything at once, or nothing.
public struct CommitRequest: Sendable {
    /// The header `transaction`.
    public let transaction: String
    /// What the transaction holds, in the order of its frames.
    public let steps: [TransactionStep]
    /// The header `receipt`, to be answered once all of it is committed.
    public let receipt: String?
}

/// A frame of a transaction.
public enum TransactionStep: Sendable {
    case send(SendRequest)
    case acknowledge(AckRequest)
    case refuse(AckRequest)
}
