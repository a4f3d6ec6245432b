/// The doorbell: how a writer learns whether the relay sleeps, and how it wakes it.
///
/// `belfry.doorbell` is an unlogged sequence. Reading its `last_value` is bound to no snapshot, so writers at every
/// isolation level see it as it is; a crash resets it to "armed", with `is_called` false, which no relay ever leaves.
public enum Doorbell {
    /// The channel that a writing transaction notifies when it found the doorbell armed.
    public static let channel = "belfry_doorbell"
    /// A notification with this prefix is a relay's test whether notifications arrive, not a ring.
    public static let probePrefix = "probe:"
}

/// The two values of the sequence.
public enum DoorbellState: Int64, Hashable, Sendable {
    /// The relay sleeps or is about to: writers notify.
    case armed = 1
    /// The relay looks by itself: writers need not notify, which would serialise their commits.
    case awake = 2
}
