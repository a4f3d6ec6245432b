-- Cancelling, replaying and the view of what is undelivered, mended.

create or replace function belfry.cancel(id bigint) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform from belfry.outbox o where o.message_id = cancel.id for update;
    update belfry.message_log m
    set status = 'cancelled', status_reason = format('Cancelled by %s.', session_user)
    where m.id = cancel.id and m.status in ('pending', 'parked');
    -- A broadcast that one session has acknowledged stays in the outbox for the others.
    if not found then
        return false;
    end if;
    delete from belfry.outbox o where o.message_id = cancel.id;
    delete from belfry.parked p where p.message_id = cancel.id;
    return true;
end
$$;

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
    if num_nonnulls(replay.ids, replay.receiver, replay.topic, replay.type, replay.since, replay.until,
        replay.status) = 0
    then
        raise exception 'replay needs at least one of ids, receiver, topic, type, since, until and status.'
            using errcode = 'invalid_parameter_value',
                hint = 'For instance: select * from belfry.replay(receiver => ''alice'')';
    elsif replay.status not in ('pending', 'delivered', 'expired', 'cancelled', 'parked') then
        raise exception 'There is no status "%".', left(replay.status, 64)
            using errcode = 'invalid_parameter_value', hint = 'It is pending, delivered, expired, cancelled or parked.';
    elsif replay.status = 'delivered' and not coalesce(replay.include_delivered, false) then
        raise exception 'Delivered messages are replayed only with include_delivered => true.'
            using errcode = 'invalid_parameter_value';
    end if;

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
        perform belfry.queue_again(ours, coalesce(replay.include_delivered, false));
    end if;
end
$$;

create or replace view belfry.undelivered as
select m.id, m.receiver, m.topic, m.type, statement_timestamp() - m.created_at as age, o.attempts, o.redelivered,
    o.last_error,
    case
        when o.expires_at <= statement_timestamp() then 'nothing: it has expired'
        when o.not_before > statement_timestamp() then 'its time: ' || o.not_before
        when c.snapshot is null or not pg_visible_in_snapshot(o.xid, c.snapshot) then 'the relay'
        when o.topic is not null then 'the end of its time for late nodes'
        when exists (select from belfry.session s where s.receiver = o.receiver) then 'an acknowledgement by a session'
        else 'a session of its receiver'
    end as waits_for
from belfry.outbox o
join belfry.message_log m on m.id = o.message_id
left join belfry.relay_cursor c on c.shard = 0
union all
select m.id, m.receiver, m.topic, m.type, statement_timestamp() - m.created_at, p.attempts, false, p.reason,
    'an operator: it is parked'
from belfry.parked p
join belfry.message_log m on m.id = p.message_id
union all
select m.id, m.receiver, m.topic, m.type, statement_timestamp() - m.created_at, 0::smallint, false,
    'It was inserted under session_replication_role = replica and never queued.',
    'an operator: select * from belfry.replay(ids => ''{' || m.id || '}'')'
from belfry.unqueued u
join belfry.message_log m on m.id = u.message_id
where m.status = 'pending' and not exists (select from belfry.outbox o where o.message_id = m.id);
