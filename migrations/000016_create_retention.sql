-- What is old is let go: by the leading relay, a few rows at a time.

create table belfry.retention (
    is_only boolean primary key default true,
    last_id bigint not null default 0,
    began_at timestamptz,
    ended_at timestamptz,
    deleted bigint not null default 0,
    constraint retention_is_only check (is_only)
);
insert into belfry.retention default values;
comment on table belfry.retention is
    'How far the leading relay has come in looking for messages that the settings retention.* keep no longer.';
comment on column belfry.retention.is_only is 'There is one row.';
comment on column belfry.retention.last_id is 'The last id that this round has looked at.';
comment on column belfry.retention.began_at is 'When this round began.';
comment on column belfry.retention.ended_at is 'When the last one came to what is too young for all rules.';
comment on column belfry.retention.deleted is 'How many messages were deleted in all.';
comment on index belfry.retention_pkey is 'The one row.';

create function belfry.delete_old(after bigint, rows integer, types text[], statuses text[], seconds bigint[])
    returns table (last_id bigint, deleted integer, is_at_end boolean)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- One plan for all calls, which takes half of their time otherwise: along primary keys, whatever PostgreSQL knew of how
-- many rows there were when it was made. "offset 0" keeps what is looked up for each row from becoming a join.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_sort = off
set enable_bitmapscan = off
set jit = off
as $$
#variable_conflict use_column
declare
    -- The least that any rule may say, so that nobody deletes by it what has just been sent.
    least constant interval := '1 hour';
    from_id bigint;
    to_id bigint;
    looked integer;
    is_young boolean;
    due bigint[];
    ours bigint[];
    gone integer;
begin
    if delete_old.rows not between 1 and 10000
        or cardinality(delete_old.types) <> cardinality(delete_old.statuses)
        or cardinality(delete_old.types) <> cardinality(delete_old.seconds)
    then
        raise exception 'delete_old looks at 1 to 10000 rows, and needs as many types as statuses and seconds.'
            using errcode = 'invalid_parameter_value';
    end if;
    from_id := coalesce(delete_old.after, (select r.last_id from belfry.retention r), 0);

    with rule as materialized (
        select nullif(r.type, '') as type, nullif(r.status, '') as status, r.seconds
        from unnest(delete_old.types, delete_old.statuses, delete_old.seconds) as r(type, status, seconds)
    ), youngest as materialized (
        select statement_timestamp() - greatest(least, make_interval(secs => min(r.seconds))) as before
        from rule r where r.seconds >= 0
    ), page as materialized (
        select m.id, m.type, m.status, coalesce(m.delivered_at, m.created_at) as since, m.created_at
        from belfry.message_log m
        where m.id > from_id
        order by m.id
        limit delete_old.rows
    ), old as materialized (
        select p.id
        from page p
        cross join lateral (
            select r.seconds from rule r
            where (r.type = p.type or r.type is null) and (r.status = p.status::text or r.status is null)
            order by r.type is null, r.status is null
            limit 1
        ) r
        where p.status <> 'pending' and r.seconds >= 0
            and p.since < statement_timestamp() - greatest(least, make_interval(secs => r.seconds))
    )
    select max(p.id), count(*), coalesce(min(p.created_at) >= (select y.before from youngest y), true),
        array(select o.id from old o order by o.id)
    into to_id, looked, is_young, due
    from page p;

    -- What an application holds is left for the next round.
    ours := array(
        select l.id
        from unnest(due) d
        cross join lateral (
            select m.id from belfry.message_log m
            where m.id = d and m.status <> 'pending'
                and not exists (select from belfry.outbox o where o.message_id = m.id offset 0)
            for update skip locked
        ) as l);
    -- In a new statement: what was replayed before we had the lock is seen now.
    ours := array(
        select i from unnest(ours) i
        where not exists (select from belfry.outbox o where o.message_id = i offset 0)
            and (not exists (select from belfry.parked p where p.message_id = i offset 0)
                or exists (select from belfry.parked p where p.message_id = i for update skip locked)));
    delete from belfry.parked p where p.message_id = any (ours);
    delete from belfry.message_log m where m.id = any (ours);
    get diagnostics gone = row_count;

    last_id := coalesce(to_id, from_id);
    deleted := gone;
    is_at_end := looked < delete_old.rows or is_young;
    -- Nothing is lost with it: what comes back after a crash is deleted again.
    perform set_config('synchronous_commit', 'off', true);
    update belfry.retention r
    set last_id = case when is_at_end then 0 else delete_old.last_id end,
        began_at = case when from_id = 0 then statement_timestamp() else r.began_at end,
        ended_at = case when is_at_end then statement_timestamp() else r.ended_at end,
        deleted = r.deleted + gone
    -- Where nothing goes the position is noted now and then: a long transaction keeps every version of this row.
    where gone > 0 or is_at_end or from_id = 0 or delete_old.last_id > r.last_id + 50000;
    return next;
end
$$;
comment on function belfry.delete_old is
    'Looks at the next messages after an id (null: after those of the last call), and deletes those that are not '
    'pending, are in no outbox, and were delivered, or else written, longer ago than the rule for their type and '
    'status says; an empty type or status stands for all, the closest rule counts, and -1 keeps for ever. Nothing '
    'younger than an hour goes. For the relay.';

create function belfry.delete_old_acts(seconds bigint, rows integer) returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    least constant interval := '1 hour';
    before constant timestamptz :=
        statement_timestamp() - greatest(least, make_interval(secs => delete_old_acts.seconds));
    acts integer;
    jobs integer;
begin
    -- Ids follow time, so that the first few say whether there is anything.
    delete from belfry.audit a where a.id in (
        select o.id
        from (select f.id, f.at from belfry.audit f order by f.id limit delete_old_acts.rows) p
        join belfry.audit o on o.id = p.id
        where p.at < before
        for update of o skip locked);
    get diagnostics acts = row_count;
    delete from belfry.replay_job j where j.id in (
        select o.id
        from (select f.id from belfry.replay_job f order by f.id limit delete_old_acts.rows) p
        join belfry.replay_job o on o.id = p.id
        where o.state in ('done', 'cancelled') and o.finished_at < before
        for update of o skip locked);
    get diagnostics jobs = row_count;
    return acts + jobs;
end
$$;
comment on function belfry.delete_old_acts is
    'Deletes from belfry.audit what is older than so many seconds, and replay jobs that ended before, of the oldest '
    'rows of each; nothing younger than an hour. Returns how many rows went. For the relay.';

revoke all on belfry.retention from public;
grant select on belfry.retention to belfry_service, belfry_operator;
revoke all on function belfry.delete_old(bigint, integer, text[], text[], bigint[]),
    belfry.delete_old_acts(bigint, integer) from public;
grant execute on function belfry.delete_old(bigint, integer, text[], text[], bigint[]),
    belfry.delete_old_acts(bigint, integer) to belfry_service;
