import BelfryModel

/// A subscription of one session ("STOMP 1.2, SUBSCRIBE").
public struct Subscription: Hashable, Sendable {
    /// Bytes of the client's `id` at most: it is repeated in every MESSAGE.
    public static let idBytesMax = 255

    /// The client's name for it, unique within the session while it lasts; `nil` for one of STOMP 1.0 without.
    public let id: String?
    public let destination: Destination
    /// The destination as the client wrote it, where that has to name the subscription.
    let namelessDestination: String?
    public let ackMode: AckMode
    /// The session's own name for it, never given out twice in a session; the first part of an `AckID`.
    public let number: UInt32
    /// What `prefetch-count` asked for: messages in flight at most, where that is less than the server allows.
    public let prefetchCount: Int?
    /// Whether MESSAGE frames carry an `ack` header, which STOMP 1.2 has.
    private let sendsAckID: Bool
    /// `id`, ready for MESSAGE frames.
    public let escapedID: EscapedHeaderValue?
    /// The destination as the client wrote it, ready for MESSAGE frames.
    public let escapedDestination: EscapedHeaderValue

    /// - Parameters:
    ///   - destinationText: the destination as the client wrote it.
    ///   - version: the session's.
    public init(
        id: String?, destination: Destination, destinationText: String, ackMode: AckMode, number: UInt32,
        prefetchCount: Int? = nil, version: ProtocolVersion = .v12
    ) {
        self.id = id
        self.destination = destination
        namelessDestination = id == nil ? destinationText : nil
        self.ackMode = ackMode
        self.number = number
        self.prefetchCount = prefetchCount
        sendsAckID = ackMode != .auto && version == .v12
        escapedID = id.map { EscapedHeaderValue($0, version: version) }
        escapedDestination = EscapedHeaderValue(destinationText, version: version)
    }

    /// The `ack` header of a message on this subscription; `nil` in mode `auto`, and before STOMP 1.2.
    public func ackID(for message: MessageID) -> AckID? {
        sendsAckID ? AckID(subscription: number, message: message) : nil
    }
}
