-- What is not delivered after so long is told to the application, by a webhook, so that it can send an e-mail instead.

alter table belfry.message_log add column escalated_at timestamptz;
comment on column belfry.message_log.escalated_at is
    'When the application accepted a webhook that said that this message is not delivered. No index holds it.';

create table belfry.escalation_rule (
    type text primary key,
    after interval not null
        constraint escalation_rule_after check (after between interval '1 second' and interval '366 days'),
    url text not null,
    is_enabled boolean not null default true,
    since timestamptz not null,
    changed_by text not null default session_user,
    actor text,
    changed_at timestamptz not null default clock_timestamp(),
    problem text,
    position bigint not null default 0,
    snapshot pg_snapshot not null default '1:1:',
    held bigint[] not null default '{}',
    writers text[] not null default '{}',
    sent bigint not null default 0,
    withdrawn bigint not null default 0,
    failed bigint not null default 0,
    sent_at timestamptz,
    failing_since timestamptz,
    last_error text
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
comment on table belfry.escalation_rule is
    'One row a type of which the application is told what is not delivered. Written by belfry.escalate and '
    'belfry.stop_escalating; the leading relay notes in it how far it is.';
comment on column belfry.escalation_rule.type is 'A name in belfry.notification_type.';
comment on column belfry.escalation_rule.after is
    'How long a message may be undelivered, since it was written, or since its not_before.';
comment on column belfry.escalation_rule.url is 'Where the webhook goes.';
comment on column belfry.escalation_rule.is_enabled is
    'Off when the application has answered 410 Gone; belfry.escalate turns it on again.';
comment on column belfry.escalation_rule.since is 'What was overdue before then is left alone.';
comment on column belfry.escalation_rule.changed_by is 'The role that had logged in to PostgreSQL.';
comment on column belfry.escalation_rule.actor is 'As in belfry.audit.';
comment on column belfry.escalation_rule.changed_at is 'When it was made or changed last.';
comment on column belfry.escalation_rule.problem is
    'Why the leading relay sends nothing by this rule, as a sentence: it has no secret, the URL is not allowed, the '
    'application wants no more. Null when it does.';
comment on column belfry.escalation_rule.position is
    'Up to which id the messages that are not delivered were looked at, as far as snapshot shows them.';
comment on column belfry.escalation_rule.snapshot is
    'What transactions had committed before they were looked at: those that it calls running may still bring lower '
    'ids.';
comment on column belfry.escalation_rule.held is
    'Messages up to there that another transaction is about to write into belfry.escalation: each look tries them '
    'again. 1,000 at most, then the walk waits for them.';
comment on column belfry.escalation_rule.writers is
    'Virtual transactions that were writing messages then. They may have taken a lower id for a message, and snapshot '
    'names those of them only whose transaction id is below its end; the others get one that is not.';
comment on column belfry.escalation_rule.sent is 'Webhooks that the application accepted.';
comment on column belfry.escalation_rule.withdrawn is
    'Messages that were delivered, or else came to an end, before a webhook was accepted.';
comment on column belfry.escalation_rule.failed is 'Webhooks that were given up.';
comment on column belfry.escalation_rule.sent_at is 'When the application accepted the last one.';
comment on column belfry.escalation_rule.failing_since is
    'Since when no try has succeeded; null when the last one did, or none was made.';
comment on column belfry.escalation_rule.last_error is 'What came of the last try that failed, as a sentence.';
comment on index belfry.escalation_rule_pkey is 'By type.';

-- No foreign key to the log, whose check would lock the message's row: the trigger below does what it would do.
create table belfry.escalation (
    message_id bigint primary key,
    type text not null,
    state text not null default 'waiting'
        constraint escalation_state check (state in ('waiting', 'sent', 'failed', 'withdrawn')),
    reason text,
    counts_from timestamptz not null,
    due_at timestamptz not null,
    next_at timestamptz,
    attempts integer not null default 0,
    forgiven integer not null default 0,
    claimed_at timestamptz,
    last_status integer,
    last_error text,
    sent_at timestamptz
) with (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0
);
create index escalation_due on belfry.escalation (state, type, next_at) where next_at is not null;
create index escalation_state on belfry.escalation (state, message_id);
comment on table belfry.escalation is
    'The outbox of webhooks: one row a message of which the application was told, or is to be. It goes with its '
    'message.';
comment on column belfry.escalation.message_id is 'The message: each is escalated once.';
comment on column belfry.escalation.type is 'Its type, by whose rule it is escalated.';
comment on column belfry.escalation.state is
    'waiting: to be sent at next_at. sent: accepted by the application. failed: given up, see reason; '
    'belfry.retry_escalations sends it after all. withdrawn: not needed any more, see reason.';
comment on column belfry.escalation.reason is 'Why it is in this state, as a sentence, where there is more to say.';
comment on column belfry.escalation.counts_from is
    'From when its time counts: when it was written, its not_before, or when it was replayed.';
comment on column belfry.escalation.due_at is 'When it was, or will be, overdue.';
comment on column belfry.escalation.next_at is
    'When there is something to do next: the next try, or for one that is sent, to mark the message. Else null.';
comment on column belfry.escalation.attempts is 'How often it was sent, or was about to be.';
comment on column belfry.escalation.forgiven is
    'How many of these do not count against their bound: those before a retry or a replay.';
comment on column belfry.escalation.claimed_at is 'Since when a relay sends it; null between two tries.';
comment on column belfry.escalation.last_status is 'The status of the application''s last answer.';
comment on column belfry.escalation.last_error is 'Why the last try failed, as a sentence.';
comment on column belfry.escalation.sent_at is 'When the application accepted it.';
comment on index belfry.escalation_pkey is 'By message.';
comment on index belfry.escalation_due is 'What the relay has to do.';
comment on index belfry.escalation_state is 'Pages of one state, newest first.';

comment on column belfry.audit.act is
    'replay, cancel, disconnect, type_changed, repair; replay_job_ and what became of a job by it: created, paused, '
    'resumed, cancelled; escalation_rule_set, escalation_rule_removed, escalations_retried.';

-- Within whatever deletes messages: it waits for nobody, and what the relay holds at that moment it clears itself.
create function belfry.forget_escalations() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    delete from belfry.escalation e
    where e.message_id = any (array(
        select f.message_id
        from deleted d
        cross join lateral (
            select x.message_id from belfry.escalation x where x.message_id = d.id for update skip locked
        ) as f));
    return null;
end
$$;
comment on function belfry.forget_escalations is
    'The trigger on belfry.message_log that lets go what belfry.escalation says of messages that are deleted.';
create trigger forget_escalations after delete on belfry.message_log
    referencing old table as deleted
    for each statement execute function belfry.forget_escalations();
comment on trigger forget_escalations on belfry.message_log is 'What was escalated goes with its message.';

-- For operators.

create function belfry.check_escalation(type text, after interval, url text) returns void
language plpgsql stable
as $$
declare
    close_names text;
begin
    if type is null or not exists (select from belfry.notification_type t where t.name = type) then
        close_names := belfry.close_type_names(type);
        raise exception 'The notification type "%" is not registered.', left(type, 64)
            using errcode = 'foreign_key_violation', hint = coalesce('Names like it: ' || close_names || '.', '');
    elsif after is null or after not between interval '1 second' and interval '366 days' then
        raise exception 'A message is escalated after 1 second to 366 days, but % was given.',
                coalesce(after::text, 'null')
            using errcode = 'invalid_parameter_value';
    elsif url is null or length(url) > 2048 or url !~ '^https?://[!-~]+$' then
        raise exception 'A webhook goes to a URL that begins with https://, in ASCII and of 2048 characters at most.'
            using errcode = 'invalid_parameter_value';
    elsif url ~ '^https?://[^/?#]*@' then
        raise exception 'The URL of a webhook holds no user and no password: every operator could read it.'
            using errcode = 'invalid_parameter_value', hint = 'The application knows Belfry by the signature.';
    elsif url !~ '^https?://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_-]+([.][A-Za-z0-9_-]+)*[.]?)(:[0-9]{1,5})?([/?#]|$)'
        or substring(url from '^https?://(?:\[[^]]*\]|[^/?#:]*):([0-9]+)')::integer not between 1 and 65535
    then
        raise exception 'The URL of a webhook names no host, or a port that is none: "%" is not like '
                'https://app.example:8443/hooks.', left(url, 100)
            using errcode = 'invalid_parameter_value';
    elsif url ~ '^http://' and url !~ '^http://(localhost|127\.[0-9]+\.[0-9]+\.[0-9]+|\[::1\])(:[0-9]+)?([/?]|$)' then
        raise exception 'A webhook goes by https, or by http to this machine only: "%" does not go.', left(url, 100)
            using errcode = 'invalid_parameter_value';
    end if;
end
$$;
comment on function belfry.check_escalation is
    'Raises the error for a rule that does not go. The relay''s settings may allow less.';

create function belfry.escalate(
    type text, after interval, url text, include_overdue boolean default false, actor text default null
) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    rules_max constant integer := 100;
    began constant timestamptz := clock_timestamp();
    earlier belfry.escalation_rule;
begin
    perform belfry.check_escalation(escalate.type, escalate.after, escalate.url);
    select r.* into earlier from belfry.escalation_rule r where r.type = escalate.type for update;
    if not found and (select count(*) from belfry.escalation_rule) >= rules_max then
        raise exception 'There are % rules for escalations; no more can be made.', rules_max
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'One that nobody needs is removed by belfry.stop_escalating(type).';
    end if;
    insert into belfry.escalation_rule as r (type, after, url, since, actor)
    values (escalate.type, escalate.after, escalate.url,
        case when escalate.include_overdue then '-infinity' else began end, escalate.actor)
    on conflict on constraint escalation_rule_pkey do update
        set after = excluded.after, url = excluded.url, is_enabled = true,
            -- What was overdue when it was made stays left alone; so does what fell due while it was off.
            since = case when escalate.include_overdue or not r.is_enabled then excluded.since else r.since end,
            -- What was passed over is looked at again.
            position = case when escalate.include_overdue then 0 else r.position end,
            changed_by = session_user, actor = excluded.actor, changed_at = began,
            problem = null, failing_since = null, last_error = null;
    if earlier.url is distinct from escalate.url or not earlier.is_enabled then
        update belfry.escalation e set next_at = began
        where e.message_id = any (array(
            select w.message_id from belfry.escalation w
            where w.state = 'waiting' and w.type = escalate.type and w.next_at > began and w.attempts > 0
                and w.claimed_at is null
            limit 10000 for update skip locked));
    end if;
    -- What waits with a time of its own, as it was held back or replayed.
    if earlier.after is distinct from escalate.after then
        update belfry.escalation e
        set due_at = e.counts_from + escalate.after, next_at = greatest(began, e.counts_from + escalate.after)
        where e.message_id = any (array(
            select w.message_id from belfry.escalation w
            where w.state = 'waiting' and w.type = escalate.type and w.next_at is not null and w.attempts = 0
                and w.claimed_at is null
            limit 10000 for update skip locked));
    end if;
    perform belfry.record_act(
        'escalation_rule_set', escalate.actor,
        jsonb_strip_nulls(jsonb_build_object(
            'type', escalate.type, 'after', escalate.after::text, 'url', escalate.url,
            'includeOverdue', nullif(escalate.include_overdue, false),
            'before', case when earlier.type is not null then
                jsonb_build_object('after', earlier.after::text, 'url', earlier.url, 'isEnabled', earlier.is_enabled)
            end)));
end
$$;
comment on function belfry.escalate is
    'Has the leading relay tell the application of messages of a type that are not delivered after so long, by a '
    'signed webhook to a URL. What is overdue already is left alone, unless include_overdue is set. A type has one '
    'rule: a second call changes it, for what is not accepted yet as well.';

create function belfry.stop_escalating(type text, actor text default null) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    gone belfry.escalation_rule;
    count integer;
begin
    delete from belfry.escalation_rule r where r.type = stop_escalating.type returning r.* into gone;
    if not found then
        return false;
    end if;
    update belfry.escalation e
    set state = 'withdrawn', next_at = null, claimed_at = null, reason = format('The rule was removed by %s.',
        coalesce(stop_escalating.actor, session_user))
    where e.message_id = any (array(
        select w.message_id from belfry.escalation w
        where w.state = 'waiting' and w.type = stop_escalating.type and w.next_at is not null
        for update skip locked));
    get diagnostics count = row_count;
    perform belfry.record_act(
        'escalation_rule_removed', stop_escalating.actor,
        jsonb_build_object('type', gone.type, 'after', gone.after::text, 'url', gone.url, 'withdrawn', count));
    return true;
end
$$;
comment on function belfry.stop_escalating is
    'Removes the rule of a type, and withdraws what waits by it. False when there is none.';

create function belfry.retry_escalations(
    ids bigint[] default null, type text default null, actor text default null
) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Index escalation_state, or by primary key.
set plan_cache_mode = force_custom_plan
as $$
declare
    rows_max constant integer := 10000;
    chosen bigint[];
begin
    if num_nonnulls(retry_escalations.ids, retry_escalations.type) <> 1 then
        raise exception 'retry_escalations needs ids, or a type.' using errcode = 'invalid_parameter_value',
            hint = 'For instance: select belfry.retry_escalations(type => ''ORDER_SHIPPED'')';
    elsif cardinality(retry_escalations.ids) > rows_max then
        raise exception 'retry_escalations takes at most % ids.', rows_max
            using errcode = 'invalid_parameter_value';
    elsif retry_escalations.type is not null
        and not exists (select from belfry.escalation_rule r where r.type = retry_escalations.type)
    then
        raise exception 'The type "%" has no rule for escalations.', left(retry_escalations.type, 64)
            using errcode = 'no_data_found', hint = 'One is made by belfry.escalate(type, after, url).';
    end if;
    chosen := case when retry_escalations.ids is not null then
        array(
            select e.message_id
            from unnest(retry_escalations.ids) i
            cross join lateral (
                select x.message_id from belfry.escalation x
                where x.message_id = i and (x.state = 'failed' or x.state = 'waiting' and x.claimed_at is null)
                    and exists (select from belfry.escalation_rule r where r.type = x.type)
                for update skip locked
            ) as e)
    else
        array(
            select e.message_id from belfry.escalation e
            where e.state in ('failed', 'waiting') and e.type = retry_escalations.type
                and (e.state = 'failed' or e.claimed_at is null and e.attempts > 0)
            order by e.state, e.message_id limit rows_max for update skip locked)
    end;
    -- What is not due yet stays so.
    update belfry.escalation e
    set state = 'waiting', reason = null, next_at = greatest(e.due_at, clock_timestamp()),
        forgiven = e.attempts
    where e.message_id = any (chosen);
    perform belfry.record_act(
        'escalations_retried', retry_escalations.actor,
        jsonb_strip_nulls(jsonb_build_object(
            'ids', case when retry_escalations.ids is not null
                then belfry.ids_as_text(retry_escalations.ids[1:100]) end,
            'type', retry_escalations.type, 'count', cardinality(chosen))));
    return cardinality(chosen);
end
$$;
comment on function belfry.retry_escalations is
    'Sends webhooks again that were given up, and now those that wait for a further try: of these messages, or of a '
    'type, 10,000 at most. Returns how many.';

-- For the leading relay.

create function belfry.is_term(term bigint) returns boolean
language sql stable
return exists (select from belfry.relay_cursor c where c.shard = 0 and c.term = is_term.term);
comment on function belfry.is_term is 'Whether a term is the present one.';

create function belfry.present_writers() returns text[]
language sql volatile
begin atomic
    select coalesce(array_agg(distinct l.virtualtransaction), '{}')
    from pg_catalog.pg_locks l
    where l.granted and l.locktype = 'relation' and l.mode = 'RowExclusiveLock'
        and l.relation = 'belfry.message_log'::regclass
        and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database());
end;
comment on function belfry.present_writers is
    'Virtual transactions that have the lock of an INSERT on belfry.message_log. An INSERT locks first, then takes the '
    'id of its message; and a slow function or trigger of the application may run before its transaction gets an id.';

create function belfry.write_overdue(rule belfry.escalation_rule, ids bigint[], now_ timestamptz) returns integer
language plpgsql
as $$
declare
    written integer;
begin
    insert into belfry.escalation as e (message_id, type, counts_from, due_at, next_at)
    select m.id, rule.type, m.counts_from, m.counts_from + rule.after, greatest(now_, m.counts_from + rule.after)
    from unnest(ids) i
    cross join lateral (
        select l.id, greatest(l.created_at, l.not_before) as counts_from from belfry.message_log l
        where l.id = i and l.type = rule.type and l.receiver is not null and l.status in ('pending', 'parked')
            and (l.expires_at is null or l.expires_at > now_)
        offset 0
    ) as m
    where m.counts_from + rule.after >= rule.since
        and not exists (select from belfry.escalation x where x.message_id = m.id and x.state <> 'withdrawn')
    order by m.id
    on conflict on constraint escalation_pkey do update
        set state = 'waiting', reason = null, counts_from = excluded.counts_from, due_at = excluded.due_at,
            next_at = excluded.next_at, forgiven = e.attempts
        where e.state = 'withdrawn';
    get diagnostics written = row_count;
    return written;
end
$$;
comment on function belfry.write_overdue is
    'Writes messages that are overdue by a rule into belfry.escalation, those of them that still are. Returns how '
    'many.';

create function belfry.add_overdue(
    rule belfry.escalation_rule, ids bigint[], now_ timestamptz, out added integer, out held bigint[]
)
language plpgsql
-- An open replay may have written the same row: it is not waited for, and the others go on.
set lock_timeout = '10ms'
as $$
declare
    tries_max constant integer := 20;
    id bigint;
begin
    held := '{}';
    begin
        added := belfry.write_overdue(rule, ids, now_);
        return;
    exception when lock_not_available then
        added := 0;
    end;
    foreach id in array ids loop
        if cardinality(held) >= tries_max then
            held := held || id;
            continue;
        end if;
        begin
            added := added + belfry.write_overdue(rule, array[id], now_);
        exception when lock_not_available then
            held := held || id;
        end;
    end loop;
end
$$;
comment on function belfry.add_overdue is
    'The same, but for those that another transaction is about to write, which it tells.';

create function belfry.find_overdue(type text, term bigint, rows_max integer, waiting_max integer)
    returns table (outcome text, overdue integer, looked integer)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
-- Along primary keys and indexes, whatever PostgreSQL knows of how many rows there are. "offset 0" keeps what is looked
-- up for each row from becoming a join.
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_sort = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
#variable_conflict use_column
declare
    now_ constant timestamptz := clock_timestamp();
    rule belfry.escalation_rule;
    up_to bigint;
    late xid8[];
    -- A snapshot, then the last id that was given out, then who writes: who has taken an id up to there has committed,
    -- or is among them, and then either runs by the snapshot or gets a transaction id that is not below its end.
    seen pg_snapshot;
    given bigint;
    present text[];
    has_ended boolean;
    -- Small at first: mostly the first row is too young.
    piece integer := 16;
    rows_left integer := find_overdue.rows_max;
    rows_read integer;
    last_old bigint;
    is_young boolean;
    found_now integer;
    found_ids bigint[];
    held_ids bigint[] := '{}';
    held_max constant integer := 1000;
begin
    overdue := 0;
    looked := 0;
    outcome := 'gone';
    if not belfry.is_term(find_overdue.term) then
        outcome := 'deposed';
        return next;
        return;
    end if;
    select r.* into rule from belfry.escalation_rule r
    where r.type = find_overdue.type and r.is_enabled for update skip locked;
    if rule.type is null then
        return next;
        return;
    end if;
    -- What is not found yet may be delivered meanwhile, and is never written then.
    if (select count(*) from (
            select from belfry.escalation e
            where e.state = 'waiting' and e.type = rule.type and e.next_at <= now_
            limit find_overdue.waiting_max) w) >= find_overdue.waiting_max
    then
        outcome := 'full';
        return next;
        return;
    end if;

    -- Transactions that were running then, and have brought lower ids since. Index outbox_xid.
    up_to := rule.position;
    late := array(select pg_snapshot_xip(rule.snapshot));
    -- Before the look: what commits meanwhile is looked at once more.
    seen := pg_current_snapshot();
    given := (select case when q.is_called then q.last_value else 0 end from belfry.message_log_id_seq q);
    present := belfry.present_writers();
    has_ended := not rule.writers <@ present;
    select x.added, x.held into found_now, held_ids
    from belfry.add_overdue(
        rule,
        array(
            select i from unnest(rule.held) i
            union
            select o.message_id
            from unnest(late) x
            cross join lateral (
                select q.message_id from belfry.outbox q where q.xid = x and q.message_id <= up_to offset 0
            ) as o
            union
            -- Those that it does not name. Index outbox_xid.
            select q.message_id from belfry.outbox q
            where has_ended and q.xid >= pg_snapshot_xmax(rule.snapshot) and q.message_id + 0 <= up_to
            union
            -- What was parked at once has no row with its transaction but in the log: of the newest.
            select k.message_id
            from (
                select p.message_id from belfry.parked p
                where p.message_id <= up_to and (cardinality(late) > 0 or has_ended)
                order by p.message_id desc limit 1000
            ) as k
            where exists (
                select from belfry.message_log m
                where m.id = k.message_id
                    and (m.xid = any (late) or has_ended and m.xid >= pg_snapshot_xmax(rule.snapshot)))),
        now_) x;
    overdue := found_now;

    outcome := 'moved';
    while rows_left > 0 and cardinality(held_ids) < held_max loop
        piece := least(piece, rows_left);
        with page as materialized (
            -- Primary keys of outbox and parked.
            (select o.message_id from belfry.outbox o
            where o.message_id > up_to and o.message_id <= given order by o.message_id limit piece)
            union all
            (select p.message_id from belfry.parked p
            where p.message_id > up_to and p.message_id <= given order by p.message_id limit piece)
        ), first as materialized (
            select p.message_id from page p order by p.message_id limit piece
        ), facts as materialized (
            select f.message_id, m.*
            from first f
            left join lateral (
                select l.type, l.receiver, l.status, l.expires_at, l.created_at,
                    greatest(l.created_at, l.not_before) as counts_from
                from belfry.message_log l where l.id = f.message_id offset 0
            ) as m on true
        ), young as materialized (
            -- A time that has not come was written by hand: it holds up nobody.
            select min(f.message_id) as id from facts f
            where f.created_at + rule.after > now_ and f.created_at <= now_
        ), old as materialized (
            select f.* from facts f, young y where y.id is null or f.message_id < y.id
        )
        select (select count(*) from first), (select max(o.message_id) from old o), y.id is not null,
            array(
                select o.message_id from old o
                where o.type = rule.type and o.receiver is not null and o.status in ('pending', 'parked')
                    and (o.expires_at is null or o.expires_at > now_)
                    and o.counts_from + rule.after >= rule.since)
        into rows_read, last_old, is_young, found_ids
        from young y;
        select x.added, held_ids || x.held into found_now, held_ids
        from belfry.add_overdue(rule, found_ids, now_) x;
        overdue := overdue + found_now;
        looked := looked + rows_read;
        up_to := coalesce(last_old, up_to);
        rows_left := rows_left - piece;
        if is_young or rows_read < piece then
            outcome := 'done';
            exit;
        end if;
        piece := 4 * piece;
    end loop;

    -- Where nothing came of it nothing is written: a look is made every second.
    if up_to > rule.position or held_ids <> rule.held or has_ended
        or exists (select from unnest(late) x where x not in (select pg_snapshot_xip(seen)))
    then
        update belfry.escalation_rule r
        set position = up_to, snapshot = seen, held = held_ids,
            writers = case when up_to > rule.position then present
                else array(select w from unnest(rule.writers) w where w = any (present)) end
        where r.type = rule.type;
    end if;
    return next;
end
$$;
comment on function belfry.find_overdue is
    'Looks at the next messages that are not delivered, for those of a type that are overdue by its rule, and writes '
    'them into belfry.escalation. outcome: moved: there may be more; done: what follows is too young; full: so many '
    'wait to be sent already; gone: no such rule, or somebody changes it; deposed: another relay leads.';

create function belfry.escalation_body(e belfry.escalation, m belfry.message_log) returns text
language sql stable
as $$
    select json_build_object(
        'type', 'belfry.undelivered',
        'timestamp', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'),
        'data', json_build_object(
            'id', m.id::text, 'type', m.type, 'receiver', m.receiver,
            'data', case when f.has_room then m.data end, 'dataLeftOut', not f.has_room, 'headers', m.headers,
            'createdAt', (date_part('epoch', m.created_at) * 1000)::bigint,
            'undeliveredSince', (date_part('epoch', e.counts_from) * 1000)::bigint,
            'expiresAt', (date_part('epoch', m.expires_at) * 1000)::bigint,
            'status', m.status,
            'reason', case
                when m.status = 'parked' then 'It could not be delivered and was parked: '
                    || rtrim(coalesce((select p.reason from belfry.parked p where p.message_id = m.id),
                        m.status_reason, 'the reason is not known'), '.') || '.'
                when f.sessions = 0 then 'No session of its receiver is open.'
                else 'Its receiver has open sessions, but none has acknowledged it.'
            end,
            'openSessions', f.sessions,
            'mayHaveBeenShown', coalesce(o.redelivered, false),
            'refusals', coalesce(o.attempts, 0),
            'attempt', e.attempts))::text
    from (
        select octet_length(m.data::text) <= 1048576 as has_room,
            (select count(*) from belfry.presence n where n.receiver = m.receiver and n.close_reason is null)
                as sessions
    ) f
    left join belfry.outbox o on o.message_id = m.id
$$;
comment on function belfry.escalation_body is 'The body of a webhook. Data of more than a MiB is left out.';

create function belfry.claim_escalations(
    type text, url text, term bigint, rows_max integer, lease interval
) returns table (message_id bigint, attempt integer, counted integer, body text, withdrawn integer)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_sort = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
#variable_conflict use_column
declare
    looked_at_max constant integer := 200;
    now_ constant timestamptz := clock_timestamp();
    due bigint[];
    alive bigint[];
begin
    if not belfry.is_term(claim_escalations.term)
        or not exists (
            select from belfry.escalation_rule r
            where r.type = claim_escalations.type and r.url = claim_escalations.url and r.is_enabled)
    then
        return;
    end if;
    -- Index escalation_due.
    due := array(
        select e.message_id from belfry.escalation e
        where e.state = 'waiting' and e.type = claim_escalations.type and e.next_at <= now_
        order by e.next_at limit looked_at_max for update skip locked);
    if cardinality(due) = 0 then
        return;
    end if;
    alive := array(
        select d.id
        from unnest(due) with ordinality as d(id, place)
        where exists (
            select from belfry.message_log m
            where m.id = d.id and m.status in ('pending', 'parked') and (m.expires_at is null or m.expires_at > now_)
            offset 0)
        order by d.place);
    if cardinality(alive) < cardinality(due) then
        with over as materialized (
            select d as id,
                (select m.status::text from belfry.message_log m where m.id = d) as status
            from unnest(due) d
            where d <> all (alive)
        ), gone as (
            delete from belfry.escalation e
            where e.message_id = any (array(select o.id from over o where o.status is null))
        ), ended as (
            update belfry.escalation e
            set state = 'withdrawn', next_at = null, claimed_at = null,
                reason = case (select o.status from over o where o.id = e.message_id)
                    when 'delivered' then 'It was delivered before the application was told.'
                    when 'cancelled' then 'It was cancelled before the application was told.'
                    else 'It expired before the application was told.'
                end
            where e.message_id = any (array(select o.id from over o where o.status is not null))
            returning 1
        )
        select count(*) into withdrawn from ended;
        update belfry.escalation_rule r set withdrawn = r.withdrawn + claim_escalations.withdrawn
        where r.type = claim_escalations.type and claim_escalations.withdrawn > 0;
        return next;
    end if;
    withdrawn := 0;
    return query
        with claimed as (
            update belfry.escalation e
            set attempts = e.attempts + 1, claimed_at = now_, next_at = now_ + claim_escalations.lease
            where e.message_id = any (alive[1:claim_escalations.rows_max])
            returning e.message_id, e.attempts, e.attempts - e.forgiven as counted, e as whole
        )
        select c.message_id, c.attempts, c.counted, b.body, 0
        from claimed c
        cross join lateral (
            select belfry.escalation_body(c.whole, m) as body from belfry.message_log m
            where m.id = c.message_id offset 0
        ) as b;
end
$$;
comment on function belfry.claim_escalations is
    'The next webhooks of a rule, for the leader of a term: each with its body, and not to be had again while the '
    'lease holds. What is not needed any more is withdrawn, and counted in a row without an id.';

create function belfry.settle_escalations(
    ids bigint[], attempts integer[], outcomes text[], statuses integer[], errors text[], pauses bigint[], term bigint
) returns table (message_id bigint, is_held boolean)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    now_ constant timestamptz := clock_timestamp();
    leads constant boolean := belfry.is_term(settle_escalations.term);
    -- An operator may be about to change them: nobody is waited for, and what is not to be had comes again.
    ours constant bigint[] := array(
        select e.message_id
        from unnest(settle_escalations.ids) i
        cross join lateral (
            select x.message_id from belfry.escalation x where x.message_id = i for update skip locked) as e);
    rules constant text[] := array(
        select f.type from belfry.escalation_rule f
        where f.type in (select e.type from belfry.escalation e where e.message_id = any (ours))
        for update skip locked);
begin
    return query
        select i, true from unnest(settle_escalations.ids) i
        where exists (
            select from belfry.escalation e
            where e.message_id = i
                and (i <> all (ours)
                    or e.type <> all (rules)
                        and exists (select from belfry.escalation_rule r where r.type = e.type)));
    return query
        with said as materialized (
            select w.id, w.attempt, w.outcome, nullif(w.status, 0) as status, nullif(w.error, '') as error, w.pause
            from unnest(
                settle_escalations.ids, settle_escalations.attempts, settle_escalations.outcomes,
                settle_escalations.statuses, settle_escalations.errors, settle_escalations.pauses
            ) as w(id, attempt, outcome, status, error, pause)
        ), settled as (
            update belfry.escalation e
            set state = case w.outcome when 'sent' then 'sent' when 'again' then 'waiting' else 'failed' end,
                reason = case when w.outcome not in ('sent', 'again') then w.error end,
                next_at = case w.outcome
                    when 'sent' then now_
                    when 'again' then now_ + w.pause * interval '1 millisecond'
                end,
                claimed_at = null, last_status = w.status, last_error = coalesce(w.error, e.last_error),
                sent_at = case when w.outcome = 'sent' then now_ end
            from said w
            where e.message_id = w.id and e.attempts = w.attempt and e.message_id = any (ours)
                and (e.type = any (rules)
                    or not exists (select from belfry.escalation_rule r where r.type = e.type))
                -- That the application has accepted one is true whoever leads by now, and whatever was decided since.
                and case when w.outcome = 'sent' then e.state <> 'sent' else e.state = 'waiting' and leads end
            returning e.message_id, e.type, w.outcome, w.error
        ), by_type as materialized (
            select s.type, count(*) filter (where s.outcome = 'sent') as sent,
                count(*) filter (where s.outcome not in ('sent', 'again')) as failed,
                bool_or(s.outcome = 'gone') as is_gone, max(s.error) as error
            from settled s group by s.type
        ), noted as (
            update belfry.escalation_rule r
            set sent = r.sent + b.sent, failed = r.failed + b.failed,
                sent_at = case when b.sent > 0 then now_ else r.sent_at end,
                failing_since = case when b.sent = 0 then coalesce(r.failing_since, now_) end,
                last_error = coalesce(b.error, r.last_error),
                is_enabled = r.is_enabled and not b.is_gone,
                problem = case when b.is_gone
                    then 'The application answered 410 Gone: it wants no more of these. belfry.escalate turns it on.'
                    else r.problem end
            from by_type b where r.type = b.type
        )
        select s.message_id, false from settled s;
end
$$;
comment on function belfry.settle_escalations is
    'What came of webhooks that were claimed, each named with the number of its attempt. outcome: sent: the '
    'application accepted it; again: the next try is after a pause, in milliseconds; failed: it is given up; gone: '
    'that, and the rule is turned off. Returns those that it holds for, and those that another transaction holds.';

create function belfry.mark_escalated(rows_max integer) returns table (marked integer, held integer)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_generic_plan
set enable_seqscan = off
set enable_bitmapscan = off
set enable_hashjoin = off
set enable_mergejoin = off
set jit = off
as $$
#variable_conflict use_column
declare
    now_ constant timestamptz := clock_timestamp();
    due bigint[];
    had bigint[];
begin
    -- Index escalation_due.
    due := array(
        select e.message_id from belfry.escalation e
        where e.state = 'sent' and e.next_at <= now_
        limit mark_escalated.rows_max for update skip locked);
    -- What an application holds is marked later.
    had := array(
        select l.id
        from unnest(due) d
        cross join lateral (
            select m.id from belfry.message_log m where m.id = d for no key update skip locked
        ) as l);
    update belfry.message_log m
    set escalated_at = (select e.sent_at from belfry.escalation e where e.message_id = m.id)
    where m.id = any (had);
    update belfry.escalation e
    set next_at = case
        when e.message_id <> all (had)
            and exists (select from belfry.message_log m where m.id = e.message_id offset 0)
        then now_ + interval '1 second' end
    where e.message_id = any (due);
    marked := cardinality(had);
    held := cardinality(due) - marked;
    return next;
end
$$;
comment on function belfry.mark_escalated is
    'Marks messages of which the application has accepted a webhook; those whose rows another transaction holds come '
    'a second later. For the relay.';

create function belfry.note_escalation_problem(type text, url text, term bigint, problem text) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    update belfry.escalation_rule r set problem = note_escalation_problem.problem
    where r.type in (
            select f.type from belfry.escalation_rule f
            where f.type = note_escalation_problem.type and f.url = note_escalation_problem.url and f.is_enabled
                and f.problem is distinct from note_escalation_problem.problem
            for update skip locked)
        and belfry.is_term(note_escalation_problem.term);
    return found;
end
$$;
comment on function belfry.note_escalation_problem is
    'Notes why nothing is sent by a rule, or null that it is; by the leader of a term.';

-- As it was, and with what it says of escalations.
create or replace function belfry.queue_again(ids bigint[], include_delivered boolean, reason text) returns void
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
    -- Its time begins anew, unless the application has been told of it. Small at first: no rule, no look at the log.
    insert into belfry.escalation as e (message_id, type, counts_from, due_at, next_at)
    select m.id, r.type, statement_timestamp(), statement_timestamp() + r.after, statement_timestamp() + r.after
    from belfry.escalation_rule r
    join belfry.message_log m on m.type = r.type
    where m.id = any (ids) and m.receiver is not null and m.status = 'pending'
    order by m.id
    on conflict on constraint escalation_pkey do update
        set state = 'waiting', reason = null, counts_from = excluded.counts_from, due_at = excluded.due_at,
            next_at = excluded.next_at, claimed_at = null, forgiven = e.attempts
        where e.state <> 'sent';
    perform belfry.ring();
end
$$;

revoke all on belfry.escalation_rule, belfry.escalation from public;
grant select on belfry.escalation_rule, belfry.escalation to belfry_operator, belfry_service;

revoke all on function
    belfry.forget_escalations(), belfry.check_escalation(text, interval, text),
    belfry.escalate(text, interval, text, boolean, text), belfry.stop_escalating(text, text),
    belfry.retry_escalations(bigint[], text, text), belfry.is_term(bigint), belfry.present_writers(),
    belfry.find_overdue(text, bigint, integer, integer),
    belfry.write_overdue(belfry.escalation_rule, bigint[], timestamptz),
    belfry.add_overdue(belfry.escalation_rule, bigint[], timestamptz),
    belfry.escalation_body(belfry.escalation, belfry.message_log),
    belfry.claim_escalations(text, text, bigint, integer, interval),
    belfry.settle_escalations(bigint[], integer[], text[], integer[], text[], bigint[], bigint),
    belfry.mark_escalated(integer), belfry.note_escalation_problem(text, text, bigint, text)
    from public;
grant execute on function
    belfry.escalate(text, interval, text, boolean, text), belfry.stop_escalating(text, text),
    belfry.retry_escalations(bigint[], text, text)
    to belfry_operator, belfry_service;
grant execute on function
    belfry.find_overdue(text, bigint, integer, integer),
    belfry.claim_escalations(text, text, bigint, integer, interval),
    belfry.settle_escalations(bigint[], integer[], text[], integer[], text[], bigint[], bigint),
    belfry.mark_escalated(integer), belfry.note_escalation_problem(text, text, bigint, text)
    to belfry_service;
