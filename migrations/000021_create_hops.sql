-- What is kept for belfry trace: hops of some messages, what operators watch, and who wrote a message that asks for it.

-- Unlogged: it costs no WAL, and a crash of PostgreSQL empties it.
create unlogged table belfry.hop (
    message_id bigint not null,
    at timestamptz not null,
    process text not null,
    what text not null,
    details jsonb not null
) with (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_insert_scale_factor = 0,
    autovacuum_vacuum_insert_threshold = 100000
);
create index hop_message on belfry.hop (message_id);
create index hop_at on belfry.hop (at);
comment on table belfry.hop is
    'What relay and nodes did with messages that are traced: a sample, those whose header traceparent says sampled, '
    'those under watch, slow ones, and those that failed. Written in batches; the leading relay deletes what is older '
    'than trace.keep. belfry trace reads it.';
comment on column belfry.hop.message_id is 'Of belfry.message_log, which may have let it go.';
comment on column belfry.hop.at is 'By PostgreSQL''s clock, to some milliseconds.';
comment on column belfry.hop.process is 'Host, process id, and something that a later process does not have.';
comment on column belfry.hop.what is
    'written, pickedUp, published, publishFailed, received, sent, acknowledged, refused, marked, givenBack or parked.';
comment on column belfry.hop.details is 'What else is known: why it is traced, term, session, transport, reason.';
comment on index belfry.hop_message is 'What belfry trace reads.';
comment on index belfry.hop_at is 'The oldest, which are deleted.';

create table belfry.watch (
    id bigint generated always as identity primary key,
    receiver text,
    type text,
    until timestamptz not null,
    set_at timestamptz not null default statement_timestamp(),
    who text not null default session_user,
    constraint watch_of_one check ((receiver is null) <> (type is null))
);
comment on table belfry.watch is
    'Receivers and types whose messages are traced until a time: relay and nodes read it every two seconds. Set by '
    'belfry.set_watch or belfry watch.';
comment on column belfry.watch.id is 'For belfry.end_watch.';
comment on column belfry.watch.receiver is 'The user whose messages are traced; null for a type.';
comment on column belfry.watch.type is 'The notification type whose messages are traced; null for a receiver.';
comment on column belfry.watch.until is 'When it ends by itself.';
comment on column belfry.watch.set_at is 'When it was set.';
comment on column belfry.watch.who is 'The role that set it.';
comment on index belfry.watch_pkey is 'By id.';
comment on sequence belfry.watch_id_seq is 'The ids of belfry.watch.';

create function belfry.set_watch(receiver text default null, type text default null, until timestamptz default null)
    returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    watches_max constant integer := 100;
    days_max constant integer := 7;
    ends constant timestamptz := coalesce(set_watch.until, statement_timestamp() + interval '1 hour');
    watch_id bigint;
begin
    if (set_watch.receiver is null) = (set_watch.type is null) then
        raise exception 'A watch is for a receiver or for a type.'
            using errcode = 'invalid_parameter_value',
                hint = 'Give one of the two: belfry.set_watch(receiver => ''alice'') or '
                    'belfry.set_watch(type => ''NEWS'').';
    elsif octet_length(coalesce(set_watch.receiver, set_watch.type)) not between 1 and 255 then
        raise exception 'A watch''s receiver or type has 1 to 255 bytes of UTF-8.'
            using errcode = 'invalid_parameter_value';
    elsif set_watch.type is not null
        and not exists (select from belfry.notification_type t where t.name = set_watch.type)
    then
        raise exception 'The notification type "%" is not registered.', left(set_watch.type, 64)
            using errcode = 'invalid_parameter_value',
                hint = coalesce('Names like it: ' || belfry.close_type_names(set_watch.type) || '.', '');
    elsif ends <= statement_timestamp() or ends > statement_timestamp() + make_interval(days => days_max) then
        raise exception 'A watch ends within the next % days, but this one would at %.', days_max, ends
            using errcode = 'invalid_parameter_value';
    end if;
    -- One at a time, so that they can be counted; nobody but operators waits here.
    lock table belfry.watch in share row exclusive mode;
    delete from belfry.watch w where w.until <= statement_timestamp();
    if (select count(*) from belfry.watch) >= watches_max then
        raise exception 'There are % watches already: that is all there can be.', watches_max
            using errcode = 'program_limit_exceeded', hint = 'End one: belfry watch --end ID.';
    end if;
    insert into belfry.watch (receiver, type, until)
    values (set_watch.receiver, set_watch.type, ends)
    returning id into watch_id;
    perform belfry.record_act(
        'watch_set', null,
        jsonb_strip_nulls(jsonb_build_object('watch', watch_id::text, 'receiver', set_watch.receiver,
            'type', set_watch.type, 'until', ends)));
    return watch_id;
end
$$;
comment on function belfry.set_watch is
    'Has the messages of a receiver, or of a type, traced until a time, an hour from now when it is left out; returns '
    'the watch''s id. A week and a hundred watches at most. For operators.';

create function belfry.end_watch(id bigint) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    ended belfry.watch;
begin
    delete from belfry.watch w where w.id = end_watch.id returning * into ended;
    if ended.id is null then
        return false;
    end if;
    perform belfry.record_act(
        'watch_ended', null,
        jsonb_strip_nulls(jsonb_build_object('watch', ended.id::text, 'receiver', ended.receiver,
            'type', ended.type)));
    return true;
end
$$;
comment on function belfry.end_watch is 'Ends a watch before its time; false when there is none. For operators.';

-- Who wrote a message is known within the writer's transaction only. It is noted where the message asks to be traced,
-- by the function that checks headers anyway: an INSERT without headers does nothing more than before.
create function belfry.take_headers(id bigint, headers jsonb) returns text
language plpgsql
as $$
declare
    problem constant text := belfry.headers_problem(take_headers.headers);
    parent constant text := take_headers.headers ->> 'traceparent';
begin
    if problem is not null
        -- Most are not sampled, and a regular expression costs more than all else here.
        or coalesce(strpos('13579bdf', nullif(substr(parent, 55, 1), '')), 0) = 0
        or left(parent, 2) = 'ff' or left(parent, 2) = '00' and length(parent) <> 55
        or substr(parent, 4, 32) = repeat('0', 32) or substr(parent, 37, 16) = repeat('0', 16)
        or parent !~ '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-|$)'
    then
        return problem;
    end if;
    -- Whatever somebody does with the table, nobody waits for it: then who wrote the message is not noted.
    begin
        lock table belfry.hop in row exclusive mode nowait;
    exception when lock_not_available then
        return null;
    end;
    insert into belfry.hop (message_id, at, process, what, details)
    values (take_headers.id, statement_timestamp(), 'PostgreSQL/' || pg_backend_pid(), 'written',
        jsonb_build_object('why', 'traceparent', 'role', session_user,
            'application', current_setting('application_name')));
    return null;
end
$$;
comment on function belfry.take_headers is
    'Belongs to belfry.queue_messages: as belfry.headers_problem, and notes in belfry.hop who writes a message whose '
    'header traceparent says sampled (W3C Trace Context).';

create or replace function belfry.queue_messages() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Check and queue in one pass. Types are found by their primary key, one by one: a join would set up a hash of all
    -- of them for each INSERT. Only types with a schema have their data entered. Rows come in the order of their ids.
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
            or (m.headers is not null and belfry.take_headers(m.id, m.headers) is not null)
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

revoke all on belfry.hop, belfry.watch from public;
revoke all on sequence belfry.watch_id_seq from public;
revoke all on function
    belfry.set_watch(text, text, timestamptz), belfry.end_watch(bigint), belfry.take_headers(bigint, jsonb)
    from public;
grant select, insert, delete on belfry.hop to belfry_service;
grant select on belfry.watch to belfry_service;
grant select on belfry.hop, belfry.watch to belfry_operator;
grant execute on function belfry.set_watch(text, text, timestamptz), belfry.end_watch(bigint) to belfry_operator;
