-- What each role may. A later migration that adds a function must revoke it from public again: PostgreSQL grants that
-- by default, and a test looks for it.

revoke all on schema belfry from public;
revoke all on all tables in schema belfry from public;
revoke all on all sequences in schema belfry from public;
revoke all on all functions in schema belfry from public;

grant usage on schema belfry to belfry_writer, belfry_service, belfry_operator;

-- Writers, and Belfry's own processes on behalf of clients: insert, and learn the ids of what they inserted.
grant insert (receiver, topic, type, data, headers, not_before, expires_at, idempotency_key), select (id)
    on belfry.message_log to belfry_writer, belfry_service;
grant execute on function
    belfry.notify(text, text, jsonb, jsonb, timestamptz, timestamptz, text),
    belfry.broadcast(text, text, jsonb, jsonb, timestamptz, timestamptz, text),
    belfry.message_id_of(text),
    belfry.cancel(bigint)
    to belfry_writer, belfry_service;

grant select, update (status, status_reason, delivered_at, viewed_at) on belfry.message_log to belfry_service;
grant select, insert, update, delete on belfry.outbox, belfry.parked, belfry.node, belfry.session, belfry.relay_cursor
    to belfry_service;
grant select on belfry.notification_type, belfry.setting, belfry.undelivered, belfry.migration to belfry_service;
grant select, usage, update on sequence belfry.doorbell to belfry_service;
grant execute on function
    belfry.ring(),
    belfry.body(belfry.message_log), belfry.body(bigint, text, text, text, jsonb, timestamptz, timestamptz),
    belfry.header_lines(jsonb),
    belfry.all_header_lines(jsonb),
    belfry.escaped_header(text)
    to belfry_service;

grant select on all tables in schema belfry to belfry_operator;
grant select on sequence belfry.doorbell to belfry_operator;
grant execute on function
    belfry.cancel(bigint),
    belfry.replay(bigint[], text, text, text, timestamptz, timestamptz, text, boolean, boolean),
    belfry.body(belfry.message_log), belfry.body(bigint, text, text, text, jsonb, timestamptz, timestamptz),
    belfry.header_lines(jsonb),
    belfry.all_header_lines(jsonb),
    belfry.escaped_header(text)
    to belfry_operator;
