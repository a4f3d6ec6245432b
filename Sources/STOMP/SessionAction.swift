import BelfryModel

/// What the caller is to do after an event of a `SessionMachine`.
public enum SessionAction: Sendable {
    case none
    /// Find out who it is, then call `authenticated` or `authenticationFailed`, before the next frame.
    case authenticate(ConnectRequest)
    /// Write CONNECTED and start the heart-beats.
    case open(connected: Frame, HeartBeatAgreement)
    /// Write the frame.
    case reply(Frame)
    /// Start to deliver; then answer the receipt, if there is one.
    case subscribe(SubscriptionRequest)
    /// Stop to deliver and give back what is in flight; then answer the receipt, if there is one.
    case unsubscribe(Subscription, receipt: String?)
    /// Do what the client asks for, or refuse it with `failed`; then answer the receipt, if there is one.
    case send(SendRequest)
    /// Acknowledge; after the commit answer the receipt, if there is one.
    case acknowledge(AckRequest)
    /// The client refuses a message (NACK); after the commit answer the receipt, if there is one.
    case refuse(AckRequest)
    /// Do everything that the transaction holds, or nothing of it; after the commit answer the receipt, if there is
    /// one.
    case commit(CommitRequest)
    /// Write the RECEIPT, if there is one, once everything before it has been done, and close the connection with
    /// `CloseReason.clientDisconnected`.
    case disconnect(receipt: Frame?)
    /// Write the ERROR frame and close the connection: "The server MAY send ERROR frames if something goes wrong. In
    /// this case, it MUST then close the connection" ("STOMP 1.2, ERROR").
    case fail(Frame, CloseReason)
}
