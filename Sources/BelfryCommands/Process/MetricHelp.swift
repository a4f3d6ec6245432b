/// What `# HELP` says of each metric; `docs/metrics.md` says more.
enum MetricHelp {
    /// By the label in the code.
    static let texts: [String: String] = [
        "belfry_build_info": "1, labelled with the version.",
        "belfry_postgres_up": "1 while at least one connection of the pool is up.",
        "belfry_postgres_connections_total": "How often PostgreSQL came up after the pool had no connection.",
        "belfry_redis_connections": "Open connections to Redis.",
        "belfry_redis_connections_total": "How often a connection to Redis was made.",
        "belfry_sessions": "Open sessions of this node.",
        "belfry_sessions_total": "Sessions opened on this node.",
        "belfry_session_closes_total": "Sessions closed on this node, by reason.",
        "belfry_tokens_refused_total": "Tokens refused at CONNECT, by reason.",
        "belfry_messages_sent_total": "MESSAGE frames written to sessions.",
        "belfry_messages_acknowledged_total": "Messages that clients acknowledged.",
        "belfry_messages_delivered_total": "Messages marked delivered in PostgreSQL.",
        "belfry_messages_refused_total": "Messages that clients refused with NACK.",
        "belfry_messages_parked_total": "Messages parked because clients refused them too often.",
        "belfry_messages_missed_total": "Messages found in PostgreSQL that the bus had not brought.",
        "belfry_bus_connections_total": "How often an event loop's subscriber was connected to the bus.",
        "belfry_node_statement_failures_total": "Statements of this node that failed.",
        "belfry_delivery_seconds": "From the insertion of a message to the commit of its acknowledgement.",
        "belfry_relay_published_total": "Messages published to the bus.",
        "belfry_relay_publish_seconds": "From the insertion of a message to the bus's answer.",
        "belfry_relay_parked_total": "Messages parked because they could not be published.",
        "belfry_relay_expired_total": "Messages that expired before they were delivered.",
        "belfry_relay_leader": "1 while this relay leads.",
        "belfry_relay_lag_seconds": "Age of the oldest message that is read but not published.",
        "belfry_relay_pending": "Messages in the outbox, counted by the leader every ten seconds.",
        "belfry_relay_parked": "Parked messages, counted by the leader every ten seconds.",
    ]
}
