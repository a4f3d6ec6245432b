/// How a subscription's messages are acknowledged ("STOMP 1.2, SUBSCRIBE ack Header").
public enum AckMode: String, Hashable, Sendable, CaseIterable {
    /// A message counts as acknowledged once its bytes were flushed.
    case auto
    /// An ACK is for its message and all sent before it on the subscription.
    case client
    /// An ACK is for its message alone.
    case clientIndividual = "client-individual"

    /// Whether an ACK or NACK takes what was sent before its message along.
    public var isCumulative: Bool {
        switch self {
        case .auto, .client: true
        case .clientIndividual: false
        }
    }
}
