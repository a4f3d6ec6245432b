-- Replays that take their time: jobs, which the leading relay carries out in batches. And what operators did.

create table belfry.audit (
    id bigint generated always as identity primary key,
    at timestamptz not null default clock_timestamp(),
    who text not null default session_user,
    actor text,
    act text not null constraint audit_act check (act ~ '^[a-z_]{1,64}$'),
    details jsonb not null default '{}'
);
comment on table belfry.audit is
    'One row an act of an operator. Written by the functions that act; no role of Belfry''s may change or delete a '
    'row. It goes with retention.';
comment on column belfry.audit.id is 'The order in which they were written.';
comment on column belfry.audit.at is 'When.';
comment on column belfry.audit.who is 'The role that had logged in to PostgreSQL.';
comment on column belfry.audit.actor is
    'For whom it acted, as it says itself: the user of the token of a request over HTTP.';
comment on column belfry.audit.act is
    'replay, cancel, disconnect, type_changed, repair, or replay_job_ and what became of a job by it: created, paused, '
    'resumed, cancelled.';
comment on column belfry.audit.details is 'With what, and what came of it.';
comment on sequence belfry.audit_id_seq is 'Gives out its ids.';
comment on index belfry.audit_pkey is 'Pages, newest first.';

create function belfry.record_act(act text, actor text, details jsonb) returns bigint
language sql security definer
set search_path = pg_catalog, pg_temp
as $$
    insert into belfry.audit (act, actor, details)
    values (record_act.act, record_act.actor, record_act.details)
    returning id
$$;
comment on function belfry.record_act is
    'Adds to belfry.audit, within the transaction of the act: both are there, or neither. For Belfry''s own processes.';

create function belfry.is_operator() returns boolean
language sql stable
return pg_has_role(session_user, 'belfry_operator', 'member');
comment on function belfry.is_operator is
    'Whether who has logged in is an operator: a cancel by an application is no act of one.';

-- Taking back, for whoever may.
create function belfry.take_back(id bigint) returns boolean
language plpgsql
as $$
begin
    perform from belfry.outbox o where o.message_id = take_back.id for update;
    update belfry.message_log m
    set status = 'cancelled', status_reason = format('Cancelled by %s.', session_user),
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
comment on function belfry.take_back is 'What belfry.cancel and belfry.cancel_for do.';

create or replace function belfry.cancel(id bigint) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    is_cancelled constant boolean := belfry.take_back(cancel.id);
begin
    if belfry.is_operator() then
        perform belfry.record_act(
            'cancel', null, jsonb_build_object('id', cancel.id::text, 'cancelled', is_cancelled));
    end if;
    return is_cancelled;
end
$$;

create function belfry.cancel_for(id bigint, actor text) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    is_cancelled constant boolean := belfry.take_back(cancel_for.id);
begin
    perform belfry.record_act(
        'cancel', cancel_for.actor, jsonb_build_object('id', cancel_for.id::text, 'cancelled', is_cancelled));
    return is_cancelled;
end
$$;
comment on function belfry.cancel_for is 'The same as belfry.cancel, for the user of a request over HTTP.';

create function belfry.queue_again(ids bigint[], include_delivered boolean, reason text) returns void
language plpgsql
as $$
begin
    insert into belfry.outbox as o (message_id, xid, receiver, topic, expires_at, redelivered)
    select m.id, pg_current_xact_id(), m.receiver, m.topic,
        case when m.expires_at > statement_timestamp() and m.expires_at < 'infinity' then m.expires_at end, true
    from belfry.message_log m
    where m.id = any (ids) and (m.status <> 'delivered' or include_delivered)
        and not belfry.was_taken_away(m.status, m.status_reason)
    order by m.id
    on conflict on constraint outbox_pkey do update
        set xid = excluded.xid, not_before = null, attempts = 0, last_error = null, published_at = null,
            expires_at = excluded.expires_at,
            redelivered = o.redelivered
                or exists (select from belfry.message_log m where m.id = o.message_id and m.status <> 'pending');
    if not found then
        return;
    end if;
    delete from belfry.parked p where p.message_id = any (ids);
    update belfry.message_log m
    set status = 'pending', status_reason = reason, delivered_at = null,
        -- What was taken back is in the history again, and what had expired, which does so no longer.
        hidden_at = case when m.status not in ('expired', 'cancelled') then m.hidden_at end,
        expires_at = case when m.expires_at > statement_timestamp() then m.expires_at end
    where m.id = any (ids) and (m.status <> 'delivered' or include_delivered)
        and not belfry.was_taken_away(m.status, m.status_reason);
    -- Bodies say what is viewed by the message alone.
    update belfry.message_log m
    set viewed_at = i.viewed_at
    from belfry.inbox i
    where m.id = any (ids) and m.viewed_at is null and i.receiver = m.receiver
        and belfry.is_under(m.id, m.xid, i.viewed_up_to, i.viewed_snapshot, i.later, belfry.foreign_up_to());
    perform belfry.ring();
end
$$;
comment on function belfry.queue_again(bigint[], boolean, text) is 'The writing part of replays and of jobs.';
drop function belfry.queue_again(bigint[], boolean);

create function belfry.check_replay(
    ids bigint[], receiver text, topic text, type text, since timestamptz, until timestamptz, status text,
    include_delivered boolean
) returns void
language plpgsql
as $$
begin
    if num_nonnulls(ids, receiver, topic, type, since, until, status) = 0 then
        raise exception 'replay needs at least one of ids, receiver, topic, type, since, until and status.'
            using errcode = 'invalid_parameter_value',
                hint = 'For instance: select * from belfry.replay(receiver => ''alice'')';
    elsif status not in ('pending', 'delivered', 'expired', 'cancelled', 'parked') then
        raise exception 'There is no status "%".', left(status, 64)
            using errcode = 'invalid_parameter_value', hint = 'It is pending, delivered, expired, cancelled or parked.';
    elsif status = 'delivered' and not coalesce(include_delivered, false) then
        raise exception 'Delivered messages are replayed only with include_delivered => true.'
            using errcode = 'invalid_parameter_value';
    end if;
end
$$;
comment on function belfry.check_replay is 'Raises the error for criteria that choose nothing, or everything.';

create or replace function belfry.replay(
    ids bigint[] default null, receiver text default null, topic text default null, type text default null,
    since timestamptz default null, until timestamptz default null, status text default null,
    include_delivered boolean default false, dry_run boolean default false
) returns table (message_id bigint, previous_status text, action text)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Each call has other criteria: a plan for those given beats one for all.
set plan_cache_mode = force_custom_plan
as $$
#variable_conflict use_column
declare
    chosen bigint[];
    -- Those of them whose rows this transaction has locked.
    ours bigint[];
begin
    perform belfry.check_replay(replay.ids, replay.receiver, replay.topic, replay.type, replay.since, replay.until,
        replay.status, replay.include_delivered);

    chosen := array(
        select m.id
        from belfry.message_log m
        where (replay.ids is null or m.id = any (replay.ids))
            and (replay.receiver is null or m.receiver = replay.receiver)
            and (replay.topic is null or m.topic = replay.topic)
            and (replay.type is null or m.type = replay.type)
            and (replay.since is null or m.created_at >= replay.since)
            and (replay.until is null or m.created_at < replay.until)
            and (replay.status is null or m.status = replay.status)
            -- Whole classes of messages come back only when they are asked for; named one by one they are answered for.
            and (m.status <> 'delivered' or replay.include_delivered or replay.ids is not null)
            and (m.status <> 'cancelled' or replay.status is not null or replay.ids is not null)
        order by m.id);

    ours := chosen;
    if not replay.dry_run then
        -- Nobody is waited for: an application that holds some of these rows and waits for others would be aborted by a
        -- deadlock. The outbox first and the log second.
        perform from belfry.outbox o where o.message_id = any (chosen) order by o.message_id for update skip locked;
        ours := array(
            select m.id from belfry.message_log m where m.id = any (chosen) order by m.id for update skip locked);
        -- In a new statement the locks that we have are ours, and what we have not is still not to be had.
        ours := array(
            select i from unnest(ours) i
            where not exists (select from belfry.outbox o where o.message_id = i)
                or exists (select from belfry.outbox o where o.message_id = i for update skip locked)
            order by i);
        -- What was cancelled meanwhile stays so.
        ours := array(
            select m.id from belfry.message_log m
            where m.id = any (ours)
                and (m.status <> 'cancelled' or replay.status is not null or replay.ids is not null)
            order by m.id);
        chosen := array(
            select m.id from belfry.message_log m
            where m.id = any (chosen)
                and (m.status <> 'cancelled' or replay.status is not null or replay.ids is not null));
    end if;

    return query
        select m.id, m.status::text,
            case
                when not m.id = any (ours) then 'skip: another transaction holds it; try again'
                when m.status = 'delivered' and not coalesce(replay.include_delivered, false)
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
        from unnest(replay.ids) i
        where not exists (select from belfry.message_log m where m.id = i);

    if not replay.dry_run then
        perform belfry.record_act(
            'replay', null,
            belfry.replay_criteria(replay.ids, replay.receiver, replay.topic, replay.type, replay.since, replay.until,
                replay.status, replay.include_delivered)
            || jsonb_build_object('queued', (
                select count(*) from belfry.message_log m
                where m.id = any (ours) and (m.status <> 'delivered' or replay.include_delivered)
                    and not belfry.was_taken_away(m.status, m.status_reason))));
        perform belfry.queue_again(
            ours, coalesce(replay.include_delivered, false), format('Replayed by %s.', session_user));
    end if;
end
$$;

create function belfry.replay_criteria(
    ids bigint[], receiver text, topic text, type text, since timestamptz, until timestamptz, status text,
    include_delivered boolean
) returns jsonb
language sql stable
-- The first hundred ids tell which; a row is no place for all of them.
return jsonb_strip_nulls(jsonb_build_object(
    'ids', case when ids is not null then belfry.ids_as_text(ids[1:100]) end, 'idCount', cardinality(ids),
    'receiver', receiver, 'topic', topic, 'type', type, 'since', since, 'until', until, 'status', status,
    'includeDelivered', nullif(include_delivered, false)));
comment on function belfry.replay_criteria is 'How belfry.audit tells what was chosen.';

create or replace function belfry.register_type(
    name text, schema jsonb default 'true', description text default null
) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    problem text;
    earlier belfry.notification_type;
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

    select t.* into earlier from belfry.notification_type t where t.name = register_type.name;
    insert into belfry.notification_type as t (name, schema, description)
    values (register_type.name, register_type.schema, register_type.description)
    on conflict on constraint notification_type_pkey do update
        set schema = excluded.schema, description = coalesce(excluded.description, t.description),
            updated_at = statement_timestamp()
        where not t.built_in
            and (t.schema <> excluded.schema
                or coalesce(excluded.description, t.description) is distinct from t.description);
    if found then
        perform belfry.record_act(
            'type_changed', null,
            jsonb_build_object('type', register_type.name, 'before', earlier.schema, 'after', register_type.schema,
                'description', register_type.description));
    elsif earlier.built_in then
        raise exception 'The notification type "%" is built in and stays as it is.', name
            using errcode = 'check_violation', schema = 'belfry', table = 'notification_type', column = 'name';
    end if;
end
$$;

create table belfry.replay_job (
    id bigint generated always as identity primary key,
    state text not null default 'running'
        constraint replay_job_state check (state in ('running', 'paused', 'done', 'cancelled', 'failed')),
    reason text,
    created_by text not null default session_user,
    actor text,
    created_at timestamptz not null default clock_timestamp(),
    ids bigint[],
    receiver text,
    topic text,
    type text,
    since timestamptz,
    until timestamptz,
    status text,
    include_delivered boolean not null default false,
    rate integer not null constraint replay_job_rate check (rate between 1 and 10000),
    first_id bigint not null,
    last_id bigint not null,
    position bigint not null,
    matched bigint not null default 0,
    queued bigint not null default 0,
    skipped bigint not null default 0,
    held bigint[] not null default '{}',
    paced_at timestamptz not null default clock_timestamp(),
    started_at timestamptz,
    updated_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
create index replay_job_unfinished on belfry.replay_job (state, id) where state not in ('done', 'cancelled');

comment on table belfry.replay_job is
    'One row a replay that the leading relay carries out in batches. Made by belfry.create_replay_job.';
comment on column belfry.replay_job.id is 'The order in which they were made.';
comment on column belfry.replay_job.state is
    'running: the relay works on it. paused: by an operator. failed: PostgreSQL refused a batch, see reason; it can be '
    'resumed. done and cancelled are ends.';
comment on column belfry.replay_job.reason is 'Why it is in this state, as a sentence, where there is more to say.';
comment on column belfry.replay_job.created_by is 'The role that had logged in to PostgreSQL.';
comment on column belfry.replay_job.actor is 'As in belfry.audit.';
comment on column belfry.replay_job.created_at is 'When it was made.';
comment on column belfry.replay_job.ids is 'Criterion: these messages; in order, each once.';
comment on column belfry.replay_job.receiver is 'Criterion: messages of a user.';
comment on column belfry.replay_job.topic is 'Criterion: broadcasts to a topic.';
comment on column belfry.replay_job.type is 'Criterion: messages of a type.';
comment on column belfry.replay_job.since is 'Criterion: written then or later.';
comment on column belfry.replay_job.until is 'Criterion: written before then.';
comment on column belfry.replay_job.status is 'Criterion: with a status, when the relay comes to them.';
comment on column belfry.replay_job.include_delivered is 'Whether delivered messages are among them.';
comment on column belfry.replay_job.rate is 'Messages a second at most.';
comment on column belfry.replay_job.first_id is 'The id behind which the walk begins.';
comment on column belfry.replay_job.last_id is
    'The id at which it ends: the highest when the job was made. What is written later is none of its.';
comment on column belfry.replay_job.position is
    'The id up to which the log was looked at, but for those that are held.';
comment on column belfry.replay_job.matched is 'Messages that met the criteria: queued, skipped and held.';
comment on column belfry.replay_job.queued is 'Messages that were queued again.';
comment on column belfry.replay_job.skipped is
    'Messages that met the criteria when they were found and not when they were locked: delivered, cancelled or '
    'deleted meanwhile.';
comment on column belfry.replay_job.held is
    'Messages that another transaction held: each batch tries them again. 1,000 at most, then the walk waits for them.';
comment on column belfry.replay_job.paced_at is
    'Up to when the rate is used up: what lies between it and now, a second at most, may be queued.';
comment on column belfry.replay_job.started_at is 'When the first batch was done.';
comment on column belfry.replay_job.updated_at is 'When it changed last.';
comment on column belfry.replay_job.finished_at is 'When it was done or cancelled.';
comment on sequence belfry.replay_job_id_seq is 'Gives out its ids.';
comment on index belfry.replay_job_pkey is 'By id.';
comment on index belfry.replay_job_unfinished is 'What the relay has to do.';

-- Inlined into the statements that call it.
create function belfry.replay_matches(job belfry.replay_job, m belfry.message_log) returns boolean
language sql stable
return (job.receiver is null or (m).receiver = job.receiver)
    and (job.topic is null or (m).topic = job.topic)
    and (job.type is null or (m).type = job.type)
    and (job.since is null or (m).created_at >= job.since)
    and (job.until is null or (m).created_at < job.until)
    and (job.status is null or (m).status = job.status)
    and ((m).status <> 'delivered' or job.include_delivered)
    and ((m).status <> 'cancelled' or job.status is not null or job.ids is not null)
    and not belfry.was_taken_away((m).status, (m).status_reason);
comment on function belfry.replay_matches is 'Whether a message is one of a job''s, as far as ids do not tell.';

create function belfry.look_for_replay(
    job belfry.replay_job, rows_max integer, matches_max integer, out matching bigint[], out up_to bigint
)
language plpgsql stable
set plan_cache_mode = force_custom_plan
-- A piece goes along the index, whatever PostgreSQL knows of how many rows there are.
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
-- What is switched off counts as costly, and costly statements would be compiled.
set jit = off
as $$
declare
    rows_left integer := rows_max;
    room integer := matches_max;
    -- Small at first: where most rows match, those behind the last that there is room for were read for nothing.
    piece integer := 2 * matches_max;
    rows_read integer;
    last_read bigint;
    piece_ids bigint[];
begin
    matching := '{}';
    up_to := job.position;
    while room > 0 and rows_left > 0 and up_to < job.last_id loop
        piece := least(piece, rows_left);
        if job.ids is not null then
            -- Of the array; message_log by primary key.
            select count(*), max(l.id), coalesce(array_agg(l.id order by l.id) filter (where l.matches), '{}')
            into rows_read, last_read, piece_ids
            from (
                select i.id, exists (
                    select from belfry.message_log m where m.id = i.id and belfry.replay_matches(job, m)) as matches
                from unnest(job.ids) with ordinality as i(id, place)
                where i.id > up_to
                order by i.place limit piece) l;
        elsif job.topic is not null then
            -- Index message_log_topic.
            select count(*), max(l.id), coalesce(array_agg(l.id order by l.id) filter (where l.matches), '{}')
            into rows_read, last_read, piece_ids
            from (
                select m.id, belfry.replay_matches(job, m) as matches from belfry.message_log m
                where m.topic = job.topic and m.id > up_to and m.id <= job.last_id
                order by m.id limit piece) l;
        else
            -- Primary key.
            select count(*), max(l.id), coalesce(array_agg(l.id order by l.id) filter (where l.matches), '{}')
            into rows_read, last_read, piece_ids
            from (
                select m.id, belfry.replay_matches(job, m) as matches from belfry.message_log m
                where m.id > up_to and m.id <= job.last_id
                order by m.id limit piece) l;
        end if;
        if cardinality(piece_ids) > room then
            piece_ids := piece_ids[1:room];
            up_to := piece_ids[room];
        else
            up_to := case when rows_read < piece then job.last_id else last_read end;
        end if;
        matching := matching || piece_ids;
        room := room - cardinality(piece_ids);
        rows_left := rows_left - piece;
        piece := 2 * piece;
    end loop;
end
$$;
comment on function belfry.look_for_replay is
    'The next messages of a job, behind its position in the order of ids: at most so many, and of at most so many rows '
    'that are looked at. up_to is where the next look begins.';

create function belfry.create_replay_job(
    ids bigint[] default null, receiver text default null, topic text default null, type text default null,
    since timestamptz default null, until timestamptz default null, status text default null,
    include_delivered boolean default false, rate integer default 500, dry_run boolean default false,
    actor text default null
) returns table (
    job_id bigint, matched bigint, is_complete boolean, estimated bigint, estimated_seconds bigint, sample bigint[]
)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    unfinished_max constant integer := 100;
    ids_max constant integer := 10000;
    -- How long a dry run looks; a piece more at most.
    look_time constant interval := interval '2 seconds';
    began constant timestamptz := clock_timestamp();
    job belfry.replay_job;
    look record;
    wanted constant bigint[] := array(select distinct i from unnest(create_replay_job.ids) i order by i);
begin
    perform belfry.check_replay(
        create_replay_job.ids, create_replay_job.receiver, create_replay_job.topic, create_replay_job.type,
        create_replay_job.since, create_replay_job.until, create_replay_job.status,
        create_replay_job.include_delivered);
    if create_replay_job.rate is null or create_replay_job.rate not between 1 and 10000 then
        raise exception 'The rate of a job is 1 to 10000 messages a second, but % was given.',
                coalesce(create_replay_job.rate::text, 'null')
            using errcode = 'invalid_parameter_value';
    elsif cardinality(wanted) > ids_max then
        raise exception 'A job takes at most % ids, but % were given.', ids_max, cardinality(wanted)
            using errcode = 'invalid_parameter_value', hint = 'Choose by since, until, type and status.';
    elsif create_replay_job.ids is not null and cardinality(wanted) = 0
        or array_position(create_replay_job.ids, null) is not null
    then
        raise exception 'The ids of a job are at least one, and none of them is null.'
            using errcode = 'invalid_parameter_value';
    elsif create_replay_job.since >= create_replay_job.until then
        raise exception 'Nothing was written since % and before %: since must be earlier than until.',
                create_replay_job.since, create_replay_job.until
            using errcode = 'invalid_parameter_value';
    end if;

    job.ids := case when create_replay_job.ids is not null then wanted end;
    job.receiver := create_replay_job.receiver;
    job.topic := create_replay_job.topic;
    job.type := create_replay_job.type;
    job.since := create_replay_job.since;
    job.until := create_replay_job.until;
    job.status := create_replay_job.status;
    job.include_delivered := coalesce(create_replay_job.include_delivered, false);
    -- The ends of the primary key.
    job.last_id := coalesce((select m.id from belfry.message_log m order by m.id desc limit 1), 0);
    if job.ids is not null then
        job.last_id := least(job.last_id, wanted[cardinality(wanted)]);
        job.first_id := wanted[1] - 1;
    else
        job.first_id := coalesce((select m.id from belfry.message_log m order by m.id limit 1), 1) - 1;
    end if;
    job.position := job.first_id;

    if create_replay_job.dry_run then
        matched := 0;
        loop
            select * into look from belfry.look_for_replay(job, 10000, 10000);
            matched := matched + cardinality(look.matching);
            sample := (sample || look.matching)[1:10];
            job.position := look.up_to;
            exit when job.position >= job.last_id or clock_timestamp() > began + look_time;
        end loop;
        is_complete := job.position >= job.last_id;
        estimated := case when is_complete then matched
            else matched * ((job.last_id - job.first_id)::float8 / greatest(job.position - job.first_id, 1)) end;
        estimated_seconds := ceil(estimated::float8 / create_replay_job.rate);
        return next;
        return;
    end if;

    if (select count(*) from belfry.replay_job j where j.state not in ('done', 'cancelled')) >= unfinished_max then
        raise exception 'There are % jobs that are not finished; no more can be made.', unfinished_max
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'Cancel those that nobody needs: select * from belfry.replay_job where state <> ''done''';
    end if;
    insert into belfry.replay_job (
        actor, ids, receiver, topic, type, since, until, status, include_delivered, rate, first_id, last_id, position)
    values (create_replay_job.actor, job.ids, job.receiver, job.topic, job.type, job.since, job.until, job.status,
        job.include_delivered, create_replay_job.rate, job.first_id, job.last_id, job.position)
    returning id into job_id;
    perform belfry.record_act(
        'replay_job_created', create_replay_job.actor,
        jsonb_build_object('job', job_id::text, 'rate', create_replay_job.rate)
        || belfry.replay_criteria(job.ids, job.receiver, job.topic, job.type, job.since, job.until, job.status,
            job.include_delivered));
    return next;
end
$$;
comment on function belfry.create_replay_job is
    'Has the leading relay deliver messages again, chosen as by belfry.replay, in batches and at most rate of them a '
    'second: returns the job''s id. With dry_run it makes none and looks for some two seconds: how many match so far, '
    'whether that is all, else what all may come to, how long the job would take, and the first ten ids.';

create function belfry.change_replay_job(id bigint, wanted text, actor text) returns belfry.replay_job
language plpgsql
as $$
declare
    job belfry.replay_job;
begin
    select j.* into job from belfry.replay_job j where j.id = change_replay_job.id for update;
    if not found then
        raise exception 'There is no job %.', change_replay_job.id using errcode = 'no_data_found';
    elsif job.state = wanted then
        return job;
    elsif job.state in ('done', 'cancelled') or job.state = 'failed' and wanted = 'paused' then
        raise exception 'Job % is % and cannot be %.', job.id, job.state,
                case wanted when 'running' then 'resumed' else wanted end
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    update belfry.replay_job j
    set state = wanted, reason = null, updated_at = clock_timestamp(),
        -- No more than the rate, however long it stood still.
        paced_at = case when wanted = 'running' then clock_timestamp() else j.paced_at end,
        finished_at = case when wanted = 'cancelled' then clock_timestamp() end
    where j.id = job.id
    returning j.* into job;
    perform belfry.record_act(
        'replay_job_' || case wanted when 'running' then 'resumed' else wanted end, change_replay_job.actor,
        jsonb_build_object('job', job.id::text, 'queued', job.queued));
    return job;
end
$$;
comment on function belfry.change_replay_job is 'What the functions do that pause, resume and cancel a job.';

create function belfry.pause_replay_job(id bigint, actor text default null) returns belfry.replay_job
language sql security definer
set search_path = pg_catalog, pg_temp
as $$ select belfry.change_replay_job(pause_replay_job.id, 'paused', pause_replay_job.actor) $$;
comment on function belfry.pause_replay_job is 'Has the relay queue nothing more of a job until it is resumed.';

create function belfry.resume_replay_job(id bigint, actor text default null) returns belfry.replay_job
language sql security definer
set search_path = pg_catalog, pg_temp
as $$ select belfry.change_replay_job(resume_replay_job.id, 'running', resume_replay_job.actor) $$;
comment on function belfry.resume_replay_job is 'Has the relay go on with a job that is paused or has failed.';

create function belfry.cancel_replay_job(id bigint, actor text default null) returns belfry.replay_job
language sql security definer
set search_path = pg_catalog, pg_temp
as $$ select belfry.change_replay_job(cancel_replay_job.id, 'cancelled', cancel_replay_job.actor) $$;
comment on function belfry.cancel_replay_job is
    'Ends a job. What it has queued is delivered all the same; belfry.cancel takes it back.';

create function belfry.lock_for_replay(ids bigint[]) returns bigint[]
language plpgsql
as $$
declare
    ours bigint[];
begin
    -- As belfry.replay does: nobody is waited for, the outbox first and the log second.
    perform from belfry.outbox o where o.message_id = any (ids) order by o.message_id for update skip locked;
    ours := array(
        select m.id from belfry.message_log m where m.id = any (ids) order by m.id for no key update skip locked);
    -- In a new statement the locks that we have are ours, and what we have not is still not to be had.
    return array(
        select i from unnest(ours) i
        where not exists (select from belfry.outbox o where o.message_id = i)
            or exists (select from belfry.outbox o where o.message_id = i for update skip locked));
end
$$;
comment on function belfry.lock_for_replay is 'Locks messages, and tells which of them nobody else holds.';

create function belfry.step_replay_job(
    id bigint, term bigint, rows_max integer, queued_max integer, unpublished_max integer
) returns table (outcome text, queued integer, skipped integer, held integer)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    held_max constant integer := 1000;
    job belfry.replay_job;
    began constant timestamptz := clock_timestamp();
    published_below xid8;
    paced_from timestamptz;
    budget integer;
    again bigint[];
    look record;
    chosen bigint[];
    ours bigint[];
    taken bigint[];
    still_held bigint[];
    queued_now integer;
    skipped_now integer;
    is_done boolean;
begin
    queued := 0;
    skipped := 0;
    held := 0;
    select pg_snapshot_xmax(c.snapshot) into published_below
    from belfry.relay_cursor c where c.shard = 0 and c.term = step_replay_job.term;
    if not found then
        outcome := 'deposed';
        return next;
        return;
    end if;
    -- An operator who is about to change it, or a leader that was superseded in the middle of a batch, has it.
    select j.* into job from belfry.replay_job j
    where j.id = step_replay_job.id and j.state = 'running' for update skip locked;
    if not found then
        outcome := 'gone';
        return next;
        return;
    end if;
    -- Index outbox (xid, ...): what the relay has not come to yet, up to the bound.
    if (
        select count(*) from (
            select from belfry.outbox o where o.xid >= published_below
            order by o.xid limit step_replay_job.unpublished_max) u) >= step_replay_job.unpublished_max
    then
        outcome := 'full';
        return next;
        return;
    end if;
    -- A second's worth is saved up at most; a clock that was set back counts for nothing.
    paced_from := least(greatest(job.paced_at, began - interval '1 second'), began);
    budget := least(
        step_replay_job.queued_max, floor(job.rate * extract(epoch from began - paced_from)::float8)::integer);
    if budget < 1 then
        if job.paced_at > began then
            update belfry.replay_job j set paced_at = began where j.id = job.id;
        end if;
        outcome := 'paced';
        return next;
        return;
    end if;

    -- What was held is tried again; as long as it is held, it takes nobody else's place.
    again := job.held[1:budget];
    ours := belfry.lock_for_replay(again);
    -- Each that is found may turn out to be held.
    select * into look from belfry.look_for_replay(
        job, step_replay_job.rows_max, least(budget - cardinality(ours), held_max - cardinality(job.held)));
    ours := ours || belfry.lock_for_replay(look.matching);
    chosen := again || look.matching;
    taken := array(
        select m.id from belfry.message_log m
        where m.id = any (ours) and belfry.replay_matches(job, m) order by m.id);
    -- What is in the log no more is held by nobody.
    still_held := array(
        select m.id from belfry.message_log m
        where m.id = any (array(select unnest(chosen) except select unnest(ours))) order by m.id);
    queued_now := cardinality(taken);
    skipped_now := cardinality(chosen) - queued_now - cardinality(still_held);
    -- Those that were not tried come first the next time.
    still_held := job.held[budget + 1:] || still_held;
    is_done := look.up_to >= job.last_id and cardinality(still_held) = 0;
    outcome := case
        when is_done then 'done'
        -- Nothing but waiting for those that hold them.
        when queued_now + skipped_now = 0 and look.up_to = job.position then 'held'
        else 'moved'
    end;

    perform belfry.queue_again(
        taken, job.include_delivered, format('Replayed by job %s of %s.', job.id, coalesce(job.actor, job.created_by)));
    update belfry.replay_job j
    set position = look.up_to, held = still_held, matched = j.matched + cardinality(look.matching),
        queued = j.queued + queued_now, skipped = j.skipped + skipped_now,
        paced_at = paced_from + queued_now * interval '1 second' / j.rate,
        state = case when is_done then 'done' else j.state end,
        started_at = coalesce(j.started_at, began), updated_at = clock_timestamp(),
        finished_at = case when is_done then clock_timestamp() end
    where j.id = job.id
        and exists (
            select from belfry.relay_cursor c where c.shard = 0 and c.term = step_replay_job.term);
    if not found then
        raise exception 'Another relay has become the leader: this batch is undone.'
            using errcode = 'object_not_in_prerequisite_state';
    end if;
    queued := queued_now;
    skipped := skipped_now;
    held := cardinality(still_held);
    return next;
end
$$;
comment on function belfry.step_replay_job is
    'One batch of a job, by the leader of a term: position, counts and what is queued change together, and at once. '
    'outcome: moved, done; held: all that is left is held by other transactions; paced: not yet, by its rate; full: '
    'the relay has not published enough of the outbox; gone: it is not running, or somebody changes it; deposed: '
    'another relay leads.';

create function belfry.fail_replay_job(id bigint, term bigint, reason text) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update belfry.replay_job j
    set state = 'failed', reason = fail_replay_job.reason, updated_at = clock_timestamp()
    where j.id in (
            select f.id from belfry.replay_job f
            where f.id = fail_replay_job.id and f.state = 'running' for update skip locked)
        and exists (
            select from belfry.relay_cursor c where c.shard = 0 and c.term = fail_replay_job.term);
    return found;
end
$$;
comment on function belfry.fail_replay_job is 'Notes that PostgreSQL refuses a batch, by the leader of a term.';

revoke all on belfry.audit, belfry.replay_job from public;
grant select on belfry.audit, belfry.replay_job to belfry_operator, belfry_service;

revoke all on function
    belfry.record_act(text, text, jsonb), belfry.is_operator(), belfry.take_back(bigint),
    belfry.cancel_for(bigint, text), belfry.queue_again(bigint[], boolean, text),
    belfry.check_replay(bigint[], text, text, text, timestamptz, timestamptz, text, boolean),
    belfry.replay_criteria(bigint[], text, text, text, timestamptz, timestamptz, text, boolean),
    belfry.replay_matches(belfry.replay_job, belfry.message_log),
    belfry.look_for_replay(belfry.replay_job, integer, integer), belfry.lock_for_replay(bigint[]),
    belfry.create_replay_job(
        bigint[], text, text, text, timestamptz, timestamptz, text, boolean, integer, boolean, text),
    belfry.change_replay_job(bigint, text, text),
    belfry.pause_replay_job(bigint, text), belfry.resume_replay_job(bigint, text),
    belfry.cancel_replay_job(bigint, text),
    belfry.step_replay_job(bigint, bigint, integer, integer, integer), belfry.fail_replay_job(bigint, bigint, text)
    from public;
grant execute on function
    belfry.create_replay_job(
        bigint[], text, text, text, timestamptz, timestamptz, text, boolean, integer, boolean, text),
    belfry.pause_replay_job(bigint, text), belfry.resume_replay_job(bigint, text),
    belfry.cancel_replay_job(bigint, text)
    to belfry_operator, belfry_service;
grant execute on function
    belfry.record_act(text, text, jsonb), belfry.cancel_for(bigint, text),
    belfry.step_replay_job(bigint, bigint, integer, integer, integer), belfry.fail_replay_job(bigint, bigint, text)
    to belfry_service;
