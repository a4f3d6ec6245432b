/// The indexes of the schema, and the statements that make those anew which are no constraint's. A test compares them
/// with a database that was just migrated.
public enum SchemaIndexes {
    /// What histories are read by, which an installation may do without.
    public static let history = "message_log_history"

    /// Of constraints: a table without one can't be mended by a statement of one line.
    public static let ofConstraints = [
        "audit_pkey", "escalation_pkey", "escalation_rule_pkey", "inbox_pkey", "incarnation_pkey",
        "installation_pkey", "message_log_pkey", "migration_pkey", "node_pkey", "notification_type_pkey",
        "outbox_pkey", "parked_pkey", "presence_pkey", "process_pkey", "pulse_pkey", "refusal_pkey",
        "refused_token_pkey", "relay_cursor_pkey", "replay_job_pkey", "restart_pkey", "retention_pkey",
        "session_pkey", "setting_pkey", "unqueued_pkey", "watch_pkey",
    ]

    /// By name, what follows `on belfry.`.
    public static let others: [String: String] = [
        "escalation_due": "escalation (state, type, next_at) where next_at is not null",
        "escalation_state": "escalation (state, message_id)",
        "hop_at": "hop (at)",
        "hop_message": "hop (message_id)",
        "message_log_created_at": "message_log using brin (created_at)",
        "message_log_idempotency_key": "message_log (idempotency_key) where idempotency_key is not null",
        "message_log_topic": "message_log (topic, id) where topic is not null",
        "outbox_expires_at": "outbox (expires_at) where expires_at is not null",
        "outbox_not_before": "outbox (not_before) where not_before is not null",
        "outbox_published_at": "outbox (published_at) where published_at is not null",
        "outbox_receiver": "outbox (receiver, message_id) where receiver is not null",
        "outbox_topic": "outbox (topic, message_id) where topic is not null",
        "outbox_xid": "outbox (xid, (message_id + 0))",
        "presence_asked": "presence (node_id) where asked_at is not null",
        "presence_closing": "presence (node_id) where close_reason is not null",
        "presence_node": "presence (node_id)",
        "presence_receiver": "presence (receiver, opened_at, id)",
        "refusal_type": "refusal (type, id)",
        "replay_job_unfinished": "replay_job (state, id) where state not in ('done', 'cancelled')",
        "session_node": "session (node_id)",
        "session_receiver": "session (receiver)",
    ]

    /// All but that of histories.
    public static var names: Set<String> { Set(ofConstraints).union(others.keys) }

    /// Makes one while applications write; `nil` for those of constraints.
    public static func statement(making name: String) -> String? {
        let kind = name == "message_log_idempotency_key" ? "unique index" : "index"
        return others[name].map { "create \(kind) concurrently \(name) on belfry.\($0)" }
    }
}
