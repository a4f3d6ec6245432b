/// Why a leader ceased to lead.
public enum StepDownReason: Hashable, Sendable {
    /// This process stops.
    case stopped
    /// Another relay has taken over.
    case superseded
    /// A statement failed, or the leader's connection was lost.
    case postgresFailed
    /// PostgreSQL was restarted after a crash behind a pooler.
    case serverWasReset
}

/// What made a sleeping relay look.
public enum WakeReason: Hashable, Sendable {
    /// A writer rang, or a held-back message fell due.
    case rung
    /// The slow poll, which is never needed unless something else is broken.
    case safetyPoll
    /// LISTEN was lost, or works again.
    case listeningChanged
    /// Somebody else had set the doorbell.
    case doorbellFoundAwake
}

/// What a relay does, as it does it, for tests and for whoever wants to look on. Told on the relay's own task: an
/// observer must not block.
public enum RelayEvent: Hashable, Sendable {
    case becameLeader(term: Int64)
    /// Another relay leads; this one waits.
    case standsBy
    case steppedDown(StepDownReason)
    /// The cursor came from another cluster, and every row was stamped anew.
    case startedOver
    /// Rings can be heard, or cannot.
    case listening(Bool)
    /// Asleep: the doorbell is armed, and whoever commits from now on rings.
    case slept
    case woke(WakeReason)
    /// A page was published, but the cursor was not moved yet.
    case published(count: Int)
    /// The cursor was moved behind it.
    case advanced
    /// The bus is away or refuses everything; the relay tries again.
    case busUnavailable
    case parked(count: Int)
    case released(count: Int)
    case expired(count: Int)
    /// What the settings keep no longer was deleted.
    case deletedOld(count: Int)
    /// Acts of operators, and replay jobs that are over, were old.
    case deletedOldActs(count: Int)
    /// All that is old was looked at.
    case retentionRoundEnded
    /// Messages were queued again by a job.
    case replayed(job: Int64, count: Int)
    case replayJobDone(Int64)
    /// Messages were found that are overdue by a rule.
    case foundOverdue(count: Int)
    /// The application is about to be told of a message.
    case escalating(Int64)
    /// It has accepted the webhook, and that is noted.
    case escalated(Int64)
    /// It has not, and that is noted.
    case escalationFailed(Int64, isGivenUp: Bool)
    /// What no webhook is needed for any more.
    case escalationsWithdrawn(count: Int)
    /// The messages themselves say it.
    case markedEscalated(count: Int)
}
