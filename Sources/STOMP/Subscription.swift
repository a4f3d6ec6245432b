import BelfryModel

/// A subscription of one session ("STOMP 1.2, SUBSCRIBE").
public struct Subscription: Hashable, Sendable {
    /// Bytes of the client's `id` at most: it is repeated in every MESSAGE.
    public static let idBytesMax = 255

    /// The client's name for it, unique within the session while it lasts.
    public let id: String
    public let destination: Destination
    public let ackMode: AckMode
    /// The session's own name for it, never given out twice in a session; the first part of an `AckID`.
    public let number: UInt32
    /// `id`, ready for MESSAGE frames.
    public let escapedID: EscapedHeaderValue
    /// The destination as the client wrote it, ready for MESSAGE frames.
    public let escapedDestination: EscapedHeaderValue

    /// - Parameter destinationText: the destination as the client wrote it.
    public init(id: String, destination: Destination, destinationText: String, ackMode: AckMode, number: UInt32) {
        self.id = id
        self.destination = destination
        self.ackMode = ackMode
        self.number = number
        escapedID = EscapedHeaderValue(id)
        escapedDestination = EscapedHeaderValue(destinationText)
    }

    /// The `ack` header of a message on this subscription; `nil` in mode `auto`.
    public func ackID(for message: MessageID) -> AckID? {
        ackMode == .auto ? nil : AckID(subscription: number, message: message)
    }
}
