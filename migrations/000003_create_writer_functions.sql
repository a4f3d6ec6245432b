-- What happens at an INSERT into belfry.message_log, and the functions that applications call. Functions that run with
-- their owner's rights (security definer) fix their search_path, and every name is qualified.

create function belfry.headers_problem(headers jsonb) returns text
language plpgsql immutable parallel safe
as $$
declare
    name text;
    value jsonb;
begin
    if jsonb_typeof(headers) <> 'object' then
        return format('must be a JSON object, but are %s', belfry.kind_of(headers));
    elsif octet_length(headers::text) > 8192 then
        return format('have %s bytes of JSON text; at most 8192 go', octet_length(headers::text));
    elsif (select count(*) from jsonb_object_keys(headers)) > 32 then
        return format('have %s entries; at most 32 go', (select count(*) from jsonb_object_keys(headers)));
    end if;
    for name, value in select e.key, e.value from jsonb_each(headers) e loop
        if name = '' then
            return 'have an entry without a name';
        elsif name in ('message-id', 'subscription', 'destination', 'content-type', 'content-length', 'ack',
                'redelivered', 'receipt', 'receipt-id', 'heart-beat') then
            return format('have the name "%s", which STOMP reserves', name);
        elsif jsonb_typeof(value) not in ('string', 'number', 'boolean') then
            return format('must hold strings, numbers and booleans, but "%s" is %s', name, belfry.kind_of(value));
        end if;
    end loop;
    return null;
end
$$;
comment on function belfry.headers_problem is
    'What is wrong with a message''s headers, as the rest of a sentence that begins with "The headers"; null when '
    'they go.';

create function belfry.close_type_names(wanted text) returns text
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    with pairs as (
        -- Names are compared by the pairs of letters that they share (Dice's coefficient); case and separators do not
        -- count.
        select t.name, array(
            select distinct substr(s.plain, i, 2) from generate_series(1, length(s.plain) - 1) i
        ) as have
        from belfry.notification_type t, lateral (select lower(regexp_replace(t.name, '[_.-]', '', 'g'))) s (plain)
    ), asked as (
        select array(
            select distinct substr(s.plain, i, 2) from generate_series(1, length(s.plain) - 1) i
        ) as have
        from (select lower(regexp_replace(left(wanted, 64), '[_.-]', '', 'g'))) s (plain)
    ), scored as (
        select p.name,
            2.0 * (select count(*) from unnest(p.have) h where h = any (a.have))
                / nullif(cardinality(p.have) + cardinality(a.have), 0) as score
        from pairs p, asked a
    )
    select string_agg('"' || s.name || '"', ', ' order by s.score desc, s.name)
    from (select name, score from scored where score >= 0.5 order by score desc, name limit 3) s
$$;
comment on function belfry.close_type_names is
    'Registered types whose names resemble the one given, for a hint; null when none does.';

create function belfry.refuse(message belfry.message_log) returns boolean
language plpgsql stable
as $$
declare
    address constant text := case
        when message.receiver is not null then format('receiver "%s"', left(message.receiver, 60))
        else format('topic "%s"', left(message.topic, 60))
    end;
    kind constant text := case when message.receiver is not null then 'receiver' else 'topic' end;
    bytes constant integer := octet_length(coalesce(message.receiver, message.topic));
    data_bytes constant integer := octet_length(message.data::text);
    data_bytes_max constant integer := (select s.data_bytes_max from belfry.setting s);
    close_names text;
    schema jsonb;
    path text;
    rule text;
begin
    if message.receiver is null and message.topic is null then
        raise exception 'A notification needs a receiver or a topic, but this one (type "%") has neither.',
                left(message.type, 64)
            using errcode = 'check_violation', schema = 'belfry', table = 'message_log',
                constraint = 'message_log_address',
                hint = 'Give receiver (a user''s id) for one user, or topic for everybody who is subscribed to it.';
    elsif message.receiver is not null and message.topic is not null then
        raise exception 'A notification goes to a receiver or to a topic, but this one has both: '
                'receiver "%", topic "%".', left(message.receiver, 60), left(message.topic, 60)
            using errcode = 'check_violation', schema = 'belfry', table = 'message_log',
                constraint = 'message_log_address',
                hint = 'Insert two rows to reach both.';
    elsif bytes = 0 then
        raise exception 'The % of a notification (type "%") is empty; it needs 1 to 255 bytes.', kind,
                left(message.type, 64)
            using errcode = 'check_violation', schema = 'belfry', table = 'message_log', column = kind,
                constraint = 'message_log_address';
    elsif bytes > 255 then
        raise exception 'The % "%…" has % bytes of UTF-8; at most 255 go.', kind,
                left(coalesce(message.receiver, message.topic), 60), bytes
            using errcode = 'check_violation', schema = 'belfry', table = 'message_log', column = kind,
                constraint = 'message_log_address';
    end if;

    select t.schema into schema from belfry.notification_type t where t.name = message.type;
    if not found then
        close_names := belfry.close_type_names(message.type);
        raise exception 'The notification type "%" (%) is not registered.', left(message.type, 64), address
            using errcode = 'foreign_key_violation', schema = 'belfry', table = 'message_log', column = 'type',
                constraint = 'message_log_type',
                hint = coalesce('Names like it: ' || close_names || '. ', '')
                    || format('A type is registered by: select belfry.register_type(%L, ''{"type": "object"}'')',
                        left(message.type, 64));
    elsif message.expires_at <= message.not_before then
        raise exception 'The notification (%, type "%") would expire at % but is held back until %.', address,
                message.type, message.expires_at, message.not_before
            using errcode = 'check_violation', schema = 'belfry', table = 'message_log', column = 'expires_at',
                constraint = 'message_log_expires_at', hint = 'expires_at must be later than not_before.';
    elsif not isfinite(message.created_at) then
        raise exception 'The notification (%, type "%") was created at %: that is no time.', address, message.type,
                message.created_at
            using errcode = 'check_violation', schema = 'belfry', table = 'message_log', column = 'created_at',
                constraint = 'message_log_created_at_is_finite', hint = 'Leave created_at out: it is the statement''s time.';
    elsif message.not_before = 'infinity' then
        raise exception 'The notification (%, type "%") would be held back for ever: its not_before is infinity.', address,
                message.type
            using errcode = 'check_violation', schema = 'belfry', table = 'message_log', column = 'not_before',
                constraint = 'message_log_not_before', hint = 'Give a time, or null to send it at once.';
    elsif belfry.headers_problem(message.headers) is not null then
        raise exception 'The headers of the notification (%, type "%") %.', address, message.type,
                belfry.headers_problem(message.headers)
            using errcode = 'check_violation', schema = 'belfry', table = 'message_log', column = 'headers',
                constraint = 'message_log_headers';
    elsif data_bytes > data_bytes_max then
        raise exception 'The data of the notification (%, type "%") has % bytes of JSON text; at most % go.', address,
                message.type, data_bytes, data_bytes_max
            using errcode = 'check_violation', schema = 'belfry', table = 'message_log', column = 'data',
                constraint = 'message_log_data_bytes',
                hint = 'Send a reference that the client can fetch. The limit is belfry.setting.data_bytes_max.';
    end if;

    select p.path, p.rule into path, rule from belfry.data_problem(schema, message.data) p;
    raise exception 'The data of the notification (%, type "%") does not match the type''s schema: % %.', address,
            message.type, path, rule
        using errcode = 'check_violation', schema = 'belfry', table = 'message_log', column = 'data',
            constraint = 'message_log_data_schema', detail = path || ': ' || rule,
            hint = format('The schema: select schema from belfry.notification_type where name = %L', message.type);
end
$$;
comment on function belfry.refuse is
    'Raises the error for a message in which the trigger on belfry.message_log found a fault: a sentence with the '
    'value and what would be right, check_violation (23514) or, for an unknown type, foreign_key_violation (23503).';

create function belfry.ring() returns void
language plpgsql
as $$
begin
    perform pg_notify('belfry_doorbell', '') from belfry.doorbell where last_value = 1;
end
$$;
comment on function belfry.ring is
    'Wakes the relay at commit if it sleeps. To be called after the transaction has an id (it wrote something): the '
    'relay waits for all that had one before it armed the doorbell. While the relay sleeps this is a NOTIFY, with '
    'which PREPARE TRANSACTION is not possible.';

create function belfry.queue_messages() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Check and queue in one pass. Types are found by their primary key, one by one: a join would set up a hash of all of
    -- them for each INSERT. Only types with a schema have their data entered. Rows come in the order of their ids.
    insert into belfry.outbox (message_id, xid, receiver, topic, not_before, expires_at)
    select m.id, pg_current_xact_id(), m.receiver, m.topic,
        case when m.not_before > statement_timestamp() then m.not_before end,
        -- An infinite time has no number of milliseconds; never to expire is to have no expiry.
        case when m.expires_at < 'infinity' then greatest(m.expires_at, 'epoch') end
    from inserted m
    where case
        when (m.receiver is null) = (m.topic is null)
            or octet_length(coalesce(m.receiver, m.topic)) not between 1 and 255
            or m.expires_at <= m.not_before
            or m.not_before = 'infinity'
            or not isfinite(m.created_at)
            or (m.headers is not null and belfry.headers_problem(m.headers) is not null)
            or octet_length(m.data::text) > (select s.data_bytes_max from belfry.setting s)
            or not coalesce(
                (select t.unchecked or belfry.value_problem(t.schema #> '{}', m.data #> '{}') is null
                from belfry.notification_type t where t.name = m.type),
                false)
        then belfry.refuse(m)
        else m.status = 'pending'
    end;
    -- Only now: the transaction has its id, see belfry.ring.
    if found then
        -- As belfry.ring, without a call.
        perform pg_notify('belfry_doorbell', '') from belfry.doorbell where last_value = 1;
    end if;
    return null;
end
$$;
comment on function belfry.queue_messages is
    'The trigger on belfry.message_log: checks the new rows, puts them into belfry.outbox, and wakes the relay if it '
    'sleeps. Rows that the owner inserts with another status than pending (history from elsewhere) are not queued.';

create trigger queue_messages after insert on belfry.message_log
    referencing new table as inserted
    for each statement execute function belfry.queue_messages();

create function belfry.message_id_of(idempotency_key text) returns bigint
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select m.id from belfry.message_log m where m.idempotency_key = message_id_of.idempotency_key
$$;
comment on function belfry.message_id_of is
    'The id of the message with this idempotency key, null when there is none. For writers, who cannot read the log.';

create function belfry.notify(
    receiver text, type text, data jsonb, headers jsonb default null, not_before timestamptz default null,
    expires_at timestamptz default null, idempotency_key text default null
) returns bigint
language plpgsql
as $$
declare
    message_id bigint;
begin
    loop
        insert into belfry.message_log (receiver, type, data, headers, not_before, expires_at, idempotency_key)
        values (notify.receiver, notify.type, notify.data, notify.headers, notify.not_before, notify.expires_at,
            notify.idempotency_key)
        on conflict do nothing
        returning id into message_id;
        exit when found;
        message_id := belfry.message_id_of(notify.idempotency_key);
        exit when message_id is not null;
    end loop;
    return message_id;
end
$$;
comment on function belfry.notify is
    'Sends a notification to one user when the transaction commits; returns its id. No more than the INSERT into '
    'belfry.message_log, with the caller''s rights. With an idempotency_key that was used before, nothing is sent '
    'and the earlier message''s id is returned, whatever its content.';

create function belfry.broadcast(
    topic text, type text, data jsonb, headers jsonb default null, not_before timestamptz default null,
    expires_at timestamptz default null, idempotency_key text default null
) returns bigint
language plpgsql
as $$
declare
    message_id bigint;
begin
    loop
        insert into belfry.message_log (topic, type, data, headers, not_before, expires_at, idempotency_key)
        values (broadcast.topic, broadcast.type, broadcast.data, broadcast.headers, broadcast.not_before,
            broadcast.expires_at, broadcast.idempotency_key)
        on conflict do nothing
        returning id into message_id;
        exit when found;
        message_id := belfry.message_id_of(broadcast.idempotency_key);
        exit when message_id is not null;
    end loop;
    return message_id;
end
$$;
comment on function belfry.broadcast is
    'Sends a notification to every session subscribed to /topic/<topic> when the transaction commits; returns its '
    'id. Otherwise as belfry.notify.';

create function belfry.register_type(name text, schema jsonb default 'true', description text default null) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    problem text;
begin
    if name is null or name !~ '^[A-Za-z][A-Za-z0-9_.-]{0,63}$' then
        raise exception 'The notification type''s name "%" does not go.', left(name, 80)
            using errcode = 'check_violation', schema = 'belfry', table = 'notification_type', column = 'name',
                hint = 'A name begins with a letter A–Z or a–z and has up to 64 letters, digits, "_", "." and "-".';
    end if;
    problem := belfry.schema_problem(schema);
    if problem is not null then
        raise exception 'The schema of the notification type "%" does not go: %', name, problem
            using errcode = 'check_violation', schema = 'belfry', table = 'notification_type', column = 'schema';
    end if;

    insert into belfry.notification_type as t (name, schema, description)
    values (register_type.name, register_type.schema, register_type.description)
    on conflict on constraint notification_type_pkey do update
        set schema = excluded.schema, description = coalesce(excluded.description, t.description),
            updated_at = statement_timestamp()
        where not t.built_in
            and (t.schema <> excluded.schema
                or coalesce(excluded.description, t.description) is distinct from t.description);
    if not found and exists (
        select from belfry.notification_type t where t.name = register_type.name and t.built_in)
    then
        raise exception 'The notification type "%" is built in and stays as it is.', name
            using errcode = 'check_violation', schema = 'belfry', table = 'notification_type', column = 'name';
    end if;
end
$$;
comment on function belfry.register_type is
    'Registers a notification type, or changes its schema (and its description, where one is given); the same again '
    'changes nothing. Messages that exist are not checked again. A deploy step: only the owner may, and whom the '
    'owner grants EXECUTE and USAGE on the schema.';

insert into belfry.notification_type (name, schema, description, built_in)
values
    ('STRING_MSG', '{"type": "string"}', 'A text.', true),
    ('JSON_MSG', 'true', 'Any JSON.', true),
    ('NOTIFY_VIEWED', '{
        "type": "object",
        "required": ["ids"],
        "properties": {"ids": {"type": "array", "items": {"oneOf": [
            {"type": "string", "pattern": "^[0-9]{1,19}$"}, {"type": "integer", "minimum": 1}]}}},
        "additionalProperties": false
    }', 'The user marked these messages viewed, on another device perhaps.', true),
    ('NOTIFY_DELETED', '{
        "type": "object",
        "required": ["ids"],
        "properties": {"ids": {"type": "array", "items": {"oneOf": [
            {"type": "string", "pattern": "^[0-9]{1,19}$"}, {"type": "integer", "minimum": 1}]}}},
        "additionalProperties": false
    }', 'The user deleted these messages, on another device perhaps.', true);
