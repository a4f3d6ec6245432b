/// What the group roles need, as the migrations grant it: where something is missing, a part of Belfry fails.
enum SchemaRights {
    /// A role and what it may do with a table or sequence of the schema, or with one of its columns at least.
    static let relations: [(role: String, name: String, privilege: String)] =
        [
            ("belfry_writer", ["message_log"], ["insert", "select"]),
            (
                "belfry_service", ["outbox", "parked", "node", "session", "relay_cursor", "presence"],
                ["select", "insert", "update", "delete"]
            ),
            ("belfry_service", ["message_log"], ["select", "insert", "update"]),
            ("belfry_service", ["incarnation"], ["select", "insert", "update"]),
            ("belfry_service", ["restart"], ["select", "insert", "delete"]),
            ("belfry_service", ["unqueued"], ["select", "update", "delete"]),
            (
                "belfry_service",
                [
                    "notification_type", "setting", "migration", "installation", "inbox", "replay_job", "retention",
                    "escalation_rule", "escalation", "watch",
                ],
                ["select"]
            ),
            ("belfry_service", ["hop"], ["select", "insert", "delete"]),
            (
                "belfry_service", ["refused_token", "process", "pulse", "refusal"],
                ["select", "insert", "update", "delete"]
            ),
            ("belfry_service", ["message_log_id_seq"], ["select"]),
            ("belfry_service", ["doorbell"], ["select", "usage", "update"]),
            (
                "belfry_operator",
                [
                    "message_log", "outbox", "parked", "node", "session", "relay_cursor", "notification_type",
                    "setting", "migration", "undelivered", "installation", "incarnation", "restart", "unqueued",
                    "presence", "inbox", "refused_token", "doorbell", "replay_job", "audit", "retention",
                    "process", "pulse", "refusal", "escalation_rule", "escalation", "hop", "watch",
                ],
                ["select"]
            ),
        ].flatMap { role, names, privileges in
            names.flatMap { name in privileges.map { (role, name, $0) } }
        }

    /// A role and the functions that it may call, by name.
    static let functions: [(role: String, name: String)] =
        [
            ("belfry_writer", ["notify", "broadcast", "message_id_of", "cancel"]),
            (
                "belfry_service",
                [
                    "notify", "broadcast", "cancel", "ring", "body", "header_lines", "present_incarnation", "unread",
                    "history", "mark_viewed", "mark_seen", "delete_for", "snooze", "step_replay_job",
                    "fail_replay_job", "record_act", "cancel_for", "create_replay_job", "pause_replay_job",
                    "resume_replay_job", "cancel_replay_job", "delete_old", "delete_old_acts", "parked_groups",
                    "id_near",
                    "ids_as_text", "replay_for", "cancel_all_for", "register_type_for", "check_sample", "escalate",
                    "stop_escalating", "retry_escalations", "find_overdue", "claim_escalations", "settle_escalations",
                    "mark_escalated", "note_escalation_problem",
                ]
            ),
            (
                "belfry_operator",
                [
                    "cancel", "replay", "body", "create_replay_job", "pause_replay_job", "resume_replay_job",
                    "cancel_replay_job", "escalate", "stop_escalating", "retry_escalations", "set_watch", "end_watch",
                    "repair_outbox",
                ]
            ),
        ].flatMap { role, names in names.map { (role, $0) } }

    /// The three group roles.
    static let roles = ["belfry_writer", "belfry_service", "belfry_operator"]
}
