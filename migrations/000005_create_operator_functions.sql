-- Cancelling and replaying messages, and the view to look at first when something is late.

create function belfry.cancel(id bigint) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    -- The outbox first and the log second, as an acknowledgement does: so the two wait for one another and do not
    -- deadlock.
    delete from belfry.outbox o where o.message_id = cancel.id;
    delete from belfry.parked p where p.message_id = cancel.id;
    update belfry.message_log m
    set status = 'cancelled', status_reason = format('Cancelled by %s.', session_user)
    where m.id = cancel.id and m.status in ('pending', 'parked');
    return found;
end
$$;
comment on function belfry.cancel is
    'Takes back a message that is pending or parked; true when this call cancelled it, false when it was delivered, '
    'had expired, was cancelled before, or does not exist. One that a session holds already may still be shown. '
    'Writers may cancel any message whose id they know.';

create function belfry.replay(
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

    if not replay.dry_run then
        -- The outbox first and the log second, in the order of ids, as acknowledgements do.
        perform from belfry.outbox o where o.message_id = any (chosen) order by o.message_id for update;
        perform from belfry.message_log m where m.id = any (chosen) order by m.id for update;
        -- What was cancelled while we waited for the locks stays so.
        chosen := array(
            select m.id from belfry.message_log m
            where m.id = any (chosen)
                and (m.status <> 'cancelled' or replay.status is not null or replay.ids is not null));
    end if;

    return query
        select m.id, m.status::text,
            case
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
        perform belfry.queue_again(chosen, coalesce(replay.include_delivered, false));
    end if;
end
$$;
comment on function belfry.replay is
    'Delivers messages again, chosen by all of the criteria given (at least one; since is inclusive, until '
    'exclusive). Pending ones are published again at once, whatever their not_before and attempts; parked and '
    'expired ones, and delivered ones if include_delivered, go back to the outbox as redelivered, without an expiry '
    'that has passed. Cancelled ones only by ids or status. Returns what is done with each, or with dry_run what '
    'would be.';

create function belfry.queue_again(ids bigint[], include_delivered boolean) returns void
language plpgsql
as $$
begin
    insert into belfry.outbox as o (message_id, xid, receiver, topic, expires_at, redelivered)
    select m.id, pg_current_xact_id(), m.receiver, m.topic,
        case when m.expires_at > statement_timestamp() and m.expires_at < 'infinity' then m.expires_at end, true
    from belfry.message_log m
    where m.id = any (ids) and (m.status <> 'delivered' or include_delivered)
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
    set status = 'pending', status_reason = format('Replayed by %s.', session_user), delivered_at = null
    where m.id = any (ids) and (m.status <> 'delivered' or include_delivered);
    perform belfry.ring();
end
$$;
comment on function belfry.queue_again is 'The writing part of belfry.replay.';

create view belfry.undelivered as
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
join belfry.message_log m on m.id = p.message_id;
comment on view belfry.undelivered is 'Every message that was not delivered yet, and what it waits for.';
