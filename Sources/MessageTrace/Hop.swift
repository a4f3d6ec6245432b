import BelfryModel

/// Why a message is traced.
public enum TraceReason: String, Sendable {
    /// Its turn by its id.
    case sample
    /// Its header `traceparent` says sampled.
    case asked = "traceparent"
    /// Operators watch its receiver or its type.
    case watch
    /// It has taken longer than `trace.slowerThan`.
    case slow
    /// Something went wrong with it.
    case failed
}

/// One thing that a process did with a message.
public struct Hop: Sendable {
    /// What it did, as `belfry.hop` has it.
    public enum What: String, Sendable, CaseIterable {
        /// The relay has read it.
        case pickedUp
        /// The bus has taken it.
        case published
        /// The bus has refused it.
        case publishFailed
        /// It will not be tried again before an operator has looked.
        case parked
        /// A node has it from the bus.
        case received
        /// A node has appended it to what goes to a session.
        case sent
        /// The session's client has answered, or in mode `auto` the socket took it.
        case acknowledged
        case refused
        /// Its answer is committed.
        case marked
        /// The session, or the subscription, ended before it was answered.
        case givenBack
    }

    public let message: MessageID
    public let what: What
    public let reason: TraceReason
    public let at: ContinuousClock.Instant
    /// What else is known, by names that `belfry trace` knows; not all processes know all.
    public let details: [(name: String, value: String)]

    public init(
        _ message: MessageID, _ what: What, _ reason: TraceReason, at: ContinuousClock.Instant = .now,
        _ details: [(name: String, value: String)] = []
    ) {
        self.message = message
        self.what = what
        self.reason = reason
        self.at = at
        self.details = details
    }
}
