-- What the operators' console shows: which processes there are and how they fare, and what it does for the user of a
-- token.

create table belfry.process (
    id uuid primary key,
    kind text not null constraint process_kind check (kind in ('relay', 'node', 'serve', 'dev')),
    host text not null,
    pid integer not null,
    version text not null,
    listen text,
    started_at timestamptz not null,
    seen_at timestamptz not null default clock_timestamp(),
    is_leader boolean not null default false,
    sessions integer,
    clock_ahead real,
    open_files integer,
    files_max integer,
    certificate_ends_at timestamptz,
    health jsonb not null default '{}',
    settings jsonb not null default '[]'
) with (fillfactor = 50);
comment on table belfry.process is
    'One row a running process of Belfry, which it writes every ten seconds. A process that ends removes it; one that '
    'was killed is shown for an hour.';
comment on column belfry.process.id is 'Made at its start.';
comment on column belfry.process.kind is 'The command: belfry relay, node, serve or dev.';
comment on column belfry.process.host is 'The machine''s name.';
comment on column belfry.process.pid is 'The operating system''s number of it.';
comment on column belfry.process.version is 'Of the program.';
comment on column belfry.process.listen is 'Where it serves HTTP, if it does.';
comment on column belfry.process.started_at is 'When it started.';
comment on column belfry.process.seen_at is 'When it wrote this last.';
comment on column belfry.process.is_leader is 'Whether its relay led then.';
comment on column belfry.process.sessions is 'Open sessions; null for what is no node.';
comment on column belfry.process.clock_ahead is
    'Seconds by which its machine''s clock was ahead of PostgreSQL''s; null while that is not known.';
comment on column belfry.process.open_files is 'File descriptors that it had; each connection is one.';
comment on column belfry.process.files_max is 'How many it may have.';
comment on column belfry.process.certificate_ends_at is
    'When the TLS certificate that it serves expires, if it has one.';
comment on column belfry.process.health is 'What /health/ready says of it.';
comment on column belfry.process.settings is
    'What was set, as an array of {name, value, origin}: no secrets, URLs without passwords.';
comment on index belfry.process_pkey is 'By id.';

create unlogged table belfry.pulse (
    process_id uuid not null,
    at timestamptz not null default clock_timestamp(),
    seconds real not null,
    last_id bigint not null,
    delivered bigint not null,
    sessions integer,
    pending bigint,
    parked bigint,
    lag_seconds real,
    published_buckets bigint[] not null,
    arrived_buckets bigint[] not null,
    acknowledged_buckets bigint[] not null,
    constraint pulse_pkey primary key (at, process_id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
comment on table belfry.pulse is
    'What each process did in the ten seconds before, for the plots of the last hour. A crash of PostgreSQL empties '
    'it.';
comment on column belfry.pulse.process_id is 'Of belfry.process, or of one that has ended.';
comment on column belfry.pulse.at is 'The end of the time that is told of.';
comment on column belfry.pulse.seconds is 'How long that was.';
comment on column belfry.pulse.last_id is 'The highest id of a message that was given out then, rolled back or not.';
comment on column belfry.pulse.delivered is 'Messages that became delivered by this process.';
comment on column belfry.pulse.sessions is 'Open sessions; null for what is no node.';
comment on column belfry.pulse.pending is 'As belfry_relay_pending; null where it did not lead.';
comment on column belfry.pulse.parked is 'As belfry_relay_parked; null where it did not lead.';
comment on column belfry.pulse.lag_seconds is 'As belfry_relay_lag_seconds; null where it did not lead.';
comment on column belfry.pulse.published_buckets is
    'How long messages took from their insertion to the bus: counts of the buckets of belfry_relay_publish_seconds, '
    'each by itself, the last for what took longer; empty when there were none.';
comment on column belfry.pulse.arrived_buckets is 'The same to a node: belfry_arrival_seconds.';
comment on column belfry.pulse.acknowledged_buckets is
    'The same to the commit of their acknowledgement: belfry_delivery_seconds.';
comment on index belfry.pulse_pkey is 'By time.';

create unlogged table belfry.refusal (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    type text not null,
    count bigint not null,
    via text not null constraint refusal_via check (via in ('http', 'stomp')),
    who text not null,
    reason text not null
);
create index refusal_type on belfry.refusal (type, id);
comment on table belfry.refusal is
    'Messages that clients sent by HTTP or STOMP and the schema refused, for a day, gathered by type and ten seconds. '
    'What an application''s own INSERT was refused is in the application''s log and PostgreSQL''s: its transaction was '
    'rolled back.';
comment on column belfry.refusal.id is 'The order in which they were written.';
comment on column belfry.refusal.at is 'When it was written, ten seconds later at most.';
comment on column belfry.refusal.type is 'The type that was named.';
comment on column belfry.refusal.count is 'How many there were.';
comment on column belfry.refusal.via is 'How the last of them came.';
comment on column belfry.refusal.who is 'The user who sent the last of them.';
comment on column belfry.refusal.reason is 'Why the last of them was refused.';
comment on sequence belfry.refusal_id_seq is 'Gives out its ids.';
comment on index belfry.refusal_pkey is 'In order.';
comment on index belfry.refusal_type is 'The last ones of a type.';

-- The groups of what is parked.
create function belfry.parked_groups(rows_max integer)
returns table (reason text, type text, count bigint, oldest timestamptz, newest timestamptz, sample bigint[])
language sql stable
begin atomic
    select left(p.reason, 500), m.type, count(*), min(p.parked_at), max(p.parked_at),
        (array_agg(p.message_id order by p.message_id))[1:10]
    from (select * from belfry.parked q order by q.message_id limit rows_max) p
    join belfry.message_log m on m.id = p.message_id
    group by 1, 2
    order by 3 desc, 1, 2;
end;
comment on function belfry.parked_groups is
    'Parked messages by reason and type, of the so many that have the lowest ids.';

create function belfry.id_near(at timestamptz) returns bigint
language plpgsql stable
as $$
declare
    low bigint := (select min(m.id) from belfry.message_log m);
    high bigint := (select max(m.id) from belfry.message_log m);
    middle bigint;
    written timestamptz;
begin
    while high - low > 1000 and at is not null loop
        middle := low + (high - low) / 2;
        select m.created_at into written from belfry.message_log m where m.id >= middle order by m.id limit 1;
        if written < at then
            low := middle;
        else
            high := middle;
        end if;
    end loop;
    return case when at is not null then low end;
end
$$;
comment on function belfry.id_near is
    'An id at most 1,000 below the first message that was written at a time, as far as ids and created_at rise '
    'together; null for null.';

-- Replays, for whoever may.
create function belfry.replay_as(
    ids bigint[], receiver text, topic text, type text, since timestamptz, until timestamptz, status text,
    include_delivered boolean, dry_run boolean, actor text, criteria jsonb
) returns table (message_id bigint, previous_status text, action text)
language plpgsql
-- Each call has other criteria: a plan for those given beats one for all.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    chosen bigint[];
    -- Those of them whose rows this transaction has locked.
    ours bigint[];
begin
    perform belfry.check_replay(replay_as.ids, replay_as.receiver, replay_as.topic, replay_as.type, replay_as.since,
        replay_as.until, replay_as.status, replay_as.include_delivered);

    chosen := array(
        select m.id
        from belfry.message_log m
        where (replay_as.ids is null or m.id = any (replay_as.ids))
            and (replay_as.receiver is null or m.receiver = replay_as.receiver)
            and (replay_as.topic is null or m.topic = replay_as.topic)
            and (replay_as.type is null or m.type = replay_as.type)
            and (replay_as.since is null or m.created_at >= replay_as.since)
            and (replay_as.until is null or m.created_at < replay_as.until)
            and (replay_as.status is null or m.status = replay_as.status)
            -- Whole classes of messages come back only when they are asked for; named one by one they are answered for.
            and (m.status <> 'delivered' or replay_as.include_delivered or replay_as.ids is not null)
            and (m.status <> 'cancelled' or replay_as.status is not null or replay_as.ids is not null)
        order by m.id);

    ours := chosen;
    if not replay_as.dry_run then
        ours := belfry.lock_for_replay(chosen);
        -- What was cancelled meanwhile stays so.
        ours := array(
            select m.id from belfry.message_log m
            where m.id = any (ours)
                and (m.status <> 'cancelled' or replay_as.status is not null or replay_as.ids is not null)
            order by m.id);
        chosen := array(
            select m.id from belfry.message_log m
            where m.id = any (chosen)
                and (m.status <> 'cancelled' or replay_as.status is not null or replay_as.ids is not null));
    end if;

    return query
        select m.id, m.status::text,
            case
                when not m.id = any (ours) then 'skip: another transaction holds it; try again'
                when m.status = 'delivered' and not coalesce(replay_as.include_delivered, false)
                    then 'skip: delivered, and include_delivered is not set'
                when belfry.was_taken_away(m.status, m.status_reason)
                    then 'skip: its receiver deleted or snoozed it'
                when m.status = 'pending' and o.message_id is not null then 'publish again'
                else 'queue again'
            end
        from belfry.message_log m
        left join belfry.outbox o on o.message_id = m.id
        where m.id = any (chosen)
        order by m.id;
    return query
        select i, null::text, 'skip: no such message'
        from unnest(replay_as.ids) i
        where not exists (select from belfry.message_log m where m.id = i);

    if not replay_as.dry_run then
        perform belfry.record_act(
            case when replay_as.criteria ? 'repair' then 'repair' else 'replay' end, replay_as.actor,
            belfry.replay_criteria(replay_as.ids, replay_as.receiver, replay_as.topic, replay_as.type, replay_as.since,
                replay_as.until, replay_as.status, replay_as.include_delivered)
            || coalesce(replay_as.criteria - 'repair', '{}')
            || jsonb_build_object('queued', (
                select count(*) from belfry.message_log m
                where m.id = any (ours) and (m.status <> 'delivered' or replay_as.include_delivered)
                    and not belfry.was_taken_away(m.status, m.status_reason))));
        perform belfry.queue_again(
            ours, coalesce(replay_as.include_delivered, false),
            format('Replayed by %s.', coalesce(replay_as.actor, session_user)));
    end if;
end
$$;
comment on function belfry.replay_as is 'What belfry.replay, belfry.replay_for and belfry.repair_outbox do.';

create function belfry.repair_outbox(ids bigint[])
    returns table (message_id bigint, previous_status text, action text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
        select r.message_id, r.previous_status, r.action
        from belfry.replay_as(repair_outbox.ids, null, null, null, null, null, 'pending', false, false, null,
            '{"repair": true}') r;
end
$$;
comment on function belfry.repair_outbox is
    'Puts pending messages into the outbox, where they are missing: as belfry.replay, and belfry.audit says that it '
    'was a repair. For belfry doctor --repair.';

create or replace function belfry.replay(
    ids bigint[] default null, receiver text default null, topic text default null, type text default null,
    since timestamptz default null, until timestamptz default null, status text default null,
    include_delivered boolean default false, dry_run boolean default false
) returns table (message_id bigint, previous_status text, action text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
        select r.message_id, r.previous_status, r.action
        from belfry.replay_as(replay.ids, replay.receiver, replay.topic, replay.type, replay.since, replay.until,
            replay.status, replay.include_delivered, replay.dry_run, null, null) r;
end
$$;
create function belfry.replay_for(
    ids bigint[], include_delivered boolean, dry_run boolean, actor text, criteria jsonb
) returns table (message_id bigint, previous_status text, action text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
        select r.message_id, r.previous_status, r.action
        from belfry.replay_as(replay_for.ids, null, null, null, null, null, null, replay_for.include_delivered,
            replay_for.dry_run, replay_for.actor, replay_for.criteria) r;
end
$$;
comment on function belfry.replay_for is
    'The same as belfry.replay of single messages, for the user of a request over HTTP; criteria are what chose them, '
    'for belfry.audit.';

-- Taking back, for whoever may: the user of a request is named, where there is one.
drop function belfry.take_back(bigint);
create function belfry.take_back(id bigint, actor text) returns boolean
language plpgsql
as $$
begin
    perform from belfry.outbox o where o.message_id = take_back.id for update;
    update belfry.message_log m
    set status = 'cancelled', status_reason = format('Cancelled by %s.', coalesce(take_back.actor, session_user)),
        hidden_at = coalesce(m.hidden_at, statement_timestamp())
    where m.id = take_back.id and m.status in ('pending', 'parked');
    -- A broadcast that one session has acknowledged stays in the outbox for the others.
    if not found then
        return false;
    end if;
    delete from belfry.outbox o where o.message_id = take_back.id;
    delete from belfry.parked p where p.message_id = take_back.id;
    return true;
end
$$;
comment on function belfry.take_back is 'What belfry.cancel, belfry.cancel_for and belfry.cancel_all_for do.';

create or replace function belfry.cancel(id bigint) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    is_cancelled constant boolean := belfry.take_back(cancel.id, null);
begin
    if belfry.is_operator() then
        perform belfry.record_act(
            'cancel', null, jsonb_build_object('id', cancel.id::text, 'cancelled', is_cancelled));
    end if;
    return is_cancelled;
end
$$;

create or replace function belfry.cancel_for(id bigint, actor text) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    is_cancelled constant boolean := belfry.take_back(cancel_for.id, cancel_for.actor);
begin
    perform belfry.record_act(
        'cancel', cancel_for.actor, jsonb_build_object('id', cancel_for.id::text, 'cancelled', is_cancelled));
    return is_cancelled;
end
$$;

create function belfry.cancel_all_for(ids bigint[], actor text, criteria jsonb) returns bigint[]
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    ours constant bigint[] := belfry.lock_for_replay(cancel_all_for.ids);
    cancelled bigint[];
begin
    cancelled := array(select i from unnest(ours) i where belfry.take_back(i, cancel_all_for.actor) order by i);
    perform belfry.record_act(
        'cancel', cancel_all_for.actor,
        coalesce(cancel_all_for.criteria, '{}') || jsonb_build_object(
            'ids', belfry.ids_as_text(cancelled[1:100]), 'idCount', cardinality(cancelled)));
    return cancelled;
end
$$;
comment on function belfry.cancel_all_for is
    'Takes messages back that are pending or parked, for the user of a request over HTTP, but those that another '
    'transaction holds. Returns which.';

create function belfry.register_type_as(name text, schema jsonb, description text, actor text)
returns belfry.notification_type
language plpgsql
as $$
declare
    problem text;
    earlier belfry.notification_type;
    present belfry.notification_type;
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

    select t.* into earlier from belfry.notification_type t where t.name = register_type_as.name;
    insert into belfry.notification_type as t (name, schema, description)
    values (register_type_as.name, register_type_as.schema, register_type_as.description)
    on conflict on constraint notification_type_pkey do update
        set schema = excluded.schema, description = coalesce(excluded.description, t.description),
            updated_at = statement_timestamp()
        where not t.built_in
            and (t.schema <> excluded.schema
                or coalesce(excluded.description, t.description) is distinct from t.description)
    returning t.* into present;
    if found then
        perform belfry.record_act(
            'type_changed', register_type_as.actor,
            jsonb_build_object('type', register_type_as.name, 'before', earlier.schema,
                'after', register_type_as.schema, 'description', register_type_as.description));
        return present;
    elsif earlier.built_in then
        raise exception 'The notification type "%" is built in and stays as it is.', name
            using errcode = 'check_violation', schema = 'belfry', table = 'notification_type', column = 'name';
    end if;
    return earlier;
end
$$;
comment on function belfry.register_type_as is 'What belfry.register_type and belfry.register_type_for do.';

create or replace function belfry.register_type(
    name text, schema jsonb default 'true', description text default null
) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform belfry.register_type_as(
        register_type.name, register_type.schema, register_type.description, null);
end
$$;

create function belfry.register_type_for(name text, schema jsonb, description text, actor text)
returns belfry.notification_type
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    return belfry.register_type_as(
        register_type_for.name, register_type_for.schema, register_type_for.description, register_type_for.actor);
end
$$;
comment on function belfry.register_type_for is
    'The same as belfry.register_type, for the user of a request over HTTP.';

create function belfry.check_sample(schema jsonb, data jsonb, out schema_problem text, out data_problem text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    problem record;
begin
    schema_problem := belfry.schema_problem(check_sample.schema);
    if schema_problem is null and check_sample.data is not null then
        problem := belfry.data_problem(check_sample.schema, check_sample.data);
        data_problem := problem.path || ' ' || problem.rule;
    end if;
end
$$;
comment on function belfry.check_sample is
    'What is wrong with a schema, and what with data by it: what belfry.register_type and an INSERT would say. Nulls '
    'for nothing.';

revoke all on belfry.process, belfry.pulse, belfry.refusal from public;
grant select, insert, update, delete on belfry.process, belfry.pulse, belfry.refusal to belfry_service;
grant select on belfry.process, belfry.pulse, belfry.refusal to belfry_operator;
grant select on sequence belfry.message_log_id_seq to belfry_service;

revoke all on function
    belfry.parked_groups(integer), belfry.id_near(timestamptz), belfry.take_back(bigint, text),
    belfry.replay_as(bigint[], text, text, text, timestamptz, timestamptz, text, boolean, boolean, text, jsonb),
    belfry.replay_for(bigint[], boolean, boolean, text, jsonb), belfry.cancel_all_for(bigint[], text, jsonb),
    belfry.register_type_as(text, jsonb, text, text), belfry.register_type_for(text, jsonb, text, text),
    belfry.check_sample(jsonb, jsonb), belfry.repair_outbox(bigint[])
    from public;
grant execute on function
    belfry.parked_groups(integer), belfry.id_near(timestamptz), belfry.ids_as_text(bigint[]),
    belfry.replay_for(bigint[], boolean, boolean, text, jsonb),
    belfry.cancel_all_for(bigint[], text, jsonb), belfry.register_type_for(text, jsonb, text, text),
    belfry.check_sample(jsonb, jsonb)
    to belfry_service;
grant execute on function
    belfry.parked_groups(integer), belfry.id_near(timestamptz), belfry.check_sample(jsonb, jsonb),
    belfry.repair_outbox(bigint[])
    to belfry_operator;
