-- The refusals of notifications and types in plain English. Each function is what it was but for its sentences.

create or replace function belfry.headers_problem(headers jsonb) returns text
language plpgsql immutable parallel safe
as $$
declare
    name text;
    value jsonb;
begin
    if jsonb_typeof(headers) <> 'object' then
        return format('must be a JSON object, but are %s', belfry.kind_of(headers));
    elsif octet_length(headers::text) > 8192 then
        return format('have %s bytes of JSON text; the limit is 8192', octet_length(headers::text));
    elsif (select count(*) from jsonb_object_keys(headers)) > 32 then
        return format('have %s entries; the limit is 32', (select count(*) from jsonb_object_keys(headers)));
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
    'nothing is.';

create or replace function belfry.refuse(message belfry.message_log) returns boolean
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
        raise exception 'The % "%…" has % bytes of UTF-8; the limit is 255.', kind,
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
        raise exception 'The notification (%, type "%") was created at %, which is not a finite time.', address,
                message.type, message.created_at
            using errcode = 'check_violation', schema = 'belfry', table = 'message_log', column = 'created_at',
                constraint = 'message_log_created_at_is_finite',
                hint = 'Leave created_at out: it is the statement''s time.';
    elsif message.not_before = 'infinity' then
        raise exception 'The notification (%, type "%") would be held back for ever: its not_before is infinity.',
                address, message.type
            using errcode = 'check_violation', schema = 'belfry', table = 'message_log', column = 'not_before',
                constraint = 'message_log_not_before', hint = 'Give a time, or null to send it at once.';
    elsif belfry.headers_problem(message.headers) is not null then
        raise exception 'The headers of the notification (%, type "%") %.', address, message.type,
                belfry.headers_problem(message.headers)
            using errcode = 'check_violation', schema = 'belfry', table = 'message_log', column = 'headers',
                constraint = 'message_log_headers';
    elsif data_bytes > data_bytes_max then
        raise exception 'The data of the notification (%, type "%") has % bytes of JSON text; the limit is %.', address,
                message.type, data_bytes, data_bytes_max
            using errcode = 'check_violation', schema = 'belfry', table = 'message_log', column = 'data',
                constraint = 'message_log_data_bytes',
                hint = 'Send a reference that the client can fetch. The limit is set by belfry.setting.data_bytes_max.';
    end if;

    select p.path, p.rule into path, rule from belfry.data_problem(schema, message.data) p;
    raise exception 'The data of the notification (%, type "%") does not match the type''s schema: % %.', address,
            message.type, path, rule
        using errcode = 'check_violation', schema = 'belfry', table = 'message_log', column = 'data',
            constraint = 'message_log_data_schema', detail = path || ': ' || rule,
            hint = format('The schema: select schema from belfry.notification_type where name = %L', message.type);
end
$$;

create or replace function belfry.register_type(
    name text, schema jsonb default 'true', description text default null
) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    problem text;
begin
    if name is null or name !~ '^[A-Za-z][A-Za-z0-9_.-]{0,63}$' then
        raise exception 'A notification type cannot be named "%".', left(name, 80)
            using errcode = 'check_violation', schema = 'belfry', table = 'notification_type', column = 'name',
                hint = 'A name begins with a letter A–Z or a–z and has up to 64 letters, digits, "_", "." and "-".';
    end if;
    problem := belfry.schema_problem(schema);
    if problem is not null then
        raise exception 'The schema of the notification type "%" is not valid: %', name, problem
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
