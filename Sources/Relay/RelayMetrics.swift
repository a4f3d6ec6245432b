import Metrics

/// The relay's metrics. Labels would be the same for all, so there are none.
struct RelayMetrics: Sendable {
    let published = Counter(label: "belfry_relay_published_total")
    /// From the writing of the row, as its commit can't be seen, to the bus's answer.
    let publishSeconds = Timer(label: "belfry_relay_publish_seconds")
    let parked = Counter(label: "belfry_relay_parked_total")
    let expired = Counter(label: "belfry_relay_expired_total")
    let retentionDeleted = Counter(label: "belfry_relay_retention_deleted_total")
    let retentionActsDeleted = Counter(label: "belfry_relay_retention_acts_deleted_total")
    let retentionRounds = Counter(label: "belfry_relay_retention_rounds_total")
    /// 1 while this relay leads.
    let leader = Gauge(label: "belfry_relay_leader")
    let lagSeconds = Gauge(label: "belfry_relay_lag_seconds")
    let pending = Gauge(label: "belfry_relay_pending")
    let parkedNow = Gauge(label: "belfry_relay_parked")
    let unqueued = Gauge(label: "belfry_relay_unqueued")
    let replayJobs = Gauge(label: "belfry_relay_replay_jobs")
    let replayed = Counter(label: "belfry_relay_replayed_total")
    let escalationsWaiting = Gauge(label: "belfry_relay_escalations_waiting")
    let escalationRulesBlocked = Gauge(label: "belfry_relay_escalation_rules_blocked")
    let escalationsSent = Counter(label: "belfry_relay_escalations_sent_total")
    let escalationFailures = Counter(label: "belfry_relay_escalation_failures_total")
    let escalationsGivenUp = Counter(label: "belfry_relay_escalations_given_up_total")
    let escalationsWithdrawn = Counter(label: "belfry_relay_escalations_withdrawn_total")
    /// From a webhook's request to the head of its answer, or to its failure.
    let escalationSeconds = Timer(label: "belfry_relay_escalation_seconds")

    init() {
        leader.record(0)
        lagSeconds.record(0)
    }
}
