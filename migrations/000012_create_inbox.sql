-- What users have of their messages after delivery: history, what they have viewed and seen, deleted, snoozed. Marking
-- everything is one small row a user, a watermark: it holds for the messages up to an id whose transactions had
-- committed when it was set, so that one that commits later with a lower id is still news.

-- A default that is not volatile: existing rows get this transaction's id without being written.
alter table belfry.message_log
    add column hidden_at timestamptz,
    add column xid xid8 not null default pg_current_xact_id();
comment on column belfry.message_log.hidden_at is
    'When it left its receiver''s history: deleted by the user, expired or cancelled, or never meant for it. It stays '
    'for operators.';
comment on column belfry.message_log.xid is
    'The transaction that wrote it: whether a watermark of belfry.inbox holds for it. Of a message that was held back '
    'when one was set, the transaction that set it.';

alter table belfry.setting
    add column keeps_history boolean not null default true,
    add column foreign_up_to bigint not null default 0;
grant update (foreign_up_to) on belfry.setting to belfry_service;
comment on column belfry.setting.foreign_up_to is
    'Messages up to this id were written in another cluster, from which this database was restored: their transaction '
    'ids mean nothing here. Written by the relay when it starts over.';
comment on column belfry.setting.keeps_history is
    'Whether belfry migrate makes the index that histories are read by; changed by belfry migrate --history.';

create table belfry.inbox (
    receiver text primary key,
    viewed_up_to bigint not null default 0,
    viewed_snapshot pg_snapshot not null default '1:1:',
    viewed_at timestamptz,
    seen_up_to bigint not null default 0,
    seen_snapshot pg_snapshot not null default '1:1:',
    later bigint[] not null default '{}',
    changes bigint not null default 0
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 1000);
comment on table belfry.inbox is
    'One row a user who has marked something: up to where messages were viewed and seen. Written by the functions '
    'belfry.mark_viewed, mark_seen, delete_for and snooze, which lock it first, so that a user''s changes follow one '
    'another.';
comment on column belfry.inbox.receiver is 'The user.';
comment on column belfry.inbox.viewed_up_to is
    'Messages up to this id are viewed, if their xid is visible in viewed_snapshot; others by their own viewed_at.';
comment on column belfry.inbox.viewed_snapshot is 'What had committed when viewed_up_to was set.';
comment on column belfry.inbox.viewed_at is 'When viewed_up_to was set.';
comment on column belfry.inbox.seen_up_to is 'The same of what the user''s open list has shown.';
comment on column belfry.inbox.seen_snapshot is 'What had committed when seen_up_to was set.';
comment on column belfry.inbox.later is
    'Ids of messages that were held back when a watermark was set above them, and are not viewed: 1,000 at most.';
comment on column belfry.inbox.changes is
    'Counts the changes: of two counts of what is unread the one with more of them is newer.';
comment on index belfry.inbox_pkey is 'By the user.';

revoke all on belfry.inbox from public;
grant select on belfry.inbox to belfry_operator, belfry_service;
grant update (hidden_at) on belfry.message_log to belfry_service;

-- What is in nobody's history any more.
create or replace function belfry.cancel(id bigint) returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform from belfry.outbox o where o.message_id = cancel.id for update;
    update belfry.message_log m
    set status = 'cancelled', status_reason = format('Cancelled by %s.', session_user),
        hidden_at = coalesce(m.hidden_at, statement_timestamp())
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
                'redelivered', 'receipt', 'receipt-id', 'heart-beat', 'unread', 'counted') then
            return format('have the name "%s", which STOMP reserves', name);
        elsif jsonb_typeof(value) not in ('string', 'number', 'boolean') then
            return format('must hold strings, numbers and booleans, but "%s" is %s', name, belfry.kind_of(value));
        end if;
    end loop;
    return null;
end
$$;

-- Inlined into the statements that call it.
create function belfry.was_taken_away(status text, reason text) returns boolean
language sql immutable parallel safe
return status = 'cancelled'
    and coalesce(reason = 'Deleted by its receiver.' or starts_with(reason, 'Snoozed by its receiver until '), false);
comment on function belfry.was_taken_away is
    'Whether a message''s receiver deleted or snoozed it before it was delivered: nobody brings it back.';

create function belfry.require_history() returns void
language plpgsql stable
as $$
begin
    if not exists (
        select from pg_catalog.pg_index i
        where i.indexrelid = to_regclass('belfry.message_log_history') and i.indisvalid)
    then
        raise exception 'Histories are not kept in this database.'
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'Let the schema''s owner run: belfry migrate --history on';
    end if;
end
$$;
comment on function belfry.require_history is
    'Raises the error of functions that go by the index message_log_history where belfry migrate has left it out.';

create function belfry.own_inbox(receiver text) returns belfry.inbox
language plpgsql
as $$
declare
    inbox belfry.inbox;
begin
    perform belfry.require_history();
    if receiver is null or octet_length(receiver) not between 1 and 255 then
        raise exception 'A receiver is a user''s id of 1 to 255 bytes, but "%" was given.', left(receiver, 60)
            using errcode = 'invalid_parameter_value';
    end if;
    insert into belfry.inbox as i (receiver, changes) values (own_inbox.receiver, 1)
    on conflict on constraint inbox_pkey do update set changes = i.changes + 1
    returning * into inbox;
    return inbox;
end
$$;
comment on function belfry.own_inbox is 'Locks the row of a user whose messages change; makes it where there is none.';

-- Inlined into the statements that call it.
create function belfry.is_listed(status text, not_before timestamptz, expires_at timestamptz) returns boolean
language sql stable parallel safe
return status not in ('expired', 'cancelled')
    and (not_before is null or not_before <= statement_timestamp())
    and (expires_at is null or expires_at > statement_timestamp());
comment on function belfry.is_listed is
    'Whether a message that is not hidden belongs into its receiver''s history now.';

-- Inlined as well.
create function belfry.is_under(
    id bigint, xid xid8, up_to bigint, snapshot pg_snapshot, later bigint[], foreign_up_to bigint
) returns boolean
language sql stable parallel safe
return id <= up_to and (pg_visible_in_snapshot(xid, snapshot) or id <= foreign_up_to and id <> all (later));
comment on function belfry.is_under is
    'Whether a watermark holds for a message: it had committed when the mark was set, as whatever came from another '
    'cluster had.';

create function belfry.mark_snapshot() returns pg_snapshot
language sql volatile
as $$
    -- A transaction is not among those that its own snapshot calls running: where later ones have begun it is named.
    select case when s.own >= pg_snapshot_xmax(s.now) then s.now
        else format('%s:%s:%s', least(pg_snapshot_xmin(s.now), s.own), pg_snapshot_xmax(s.now),
            (select string_agg(r.xid::text, ',' order by r.xid) from (
                select pg_snapshot_xip(s.now) union select s.own) as r(xid)))::pg_snapshot end
    from (select pg_current_snapshot() as now, pg_current_xact_id() as own) s
$$;
comment on function belfry.mark_snapshot is
    'What has committed now, and not what this transaction writes: a watermark''s snapshot.';

create function belfry.foreign_up_to() returns bigint
language sql stable
as $$ select s.foreign_up_to from belfry.setting s $$;
comment on function belfry.foreign_up_to is 'See belfry.setting.';

create function belfry.unviewed_messages(
    inbox belfry.inbox, after bigint, before bigint, "limit" integer, type text default null,
    from_oldest boolean default false
) returns table (id bigint, xid xid8)
language plpgsql stable
set plan_cache_mode = force_custom_plan
-- A page goes along the index, whatever PostgreSQL knows of how many rows there are.
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
-- What is switched off counts as costly, and costly statements would be compiled.
set jit = off
as $$
#variable_conflict use_column
declare
    -- Messages under a watermark that are looked at.
    look_back constant integer := 200;
    foreign_up_to constant bigint := belfry.foreign_up_to();
    low constant bigint := greatest(unviewed_messages.after, inbox.viewed_up_to);
begin
    -- Index message_log_history from the watermark on, from its end or from its start.
    if from_oldest then
        return query
            select m.id, m.xid from belfry.message_log m
            where m.receiver = inbox.receiver and case when m.viewed_at is null then 0 else 1 end = 0
                and m.hidden_at is null and m.id > low and m.id < unviewed_messages.before
                and (unviewed_messages.type is null or m.type = unviewed_messages.type)
                and belfry.is_listed(m.status, m.not_before, m.expires_at)
            order by m.id limit "limit";
    else
        return query
            select m.id, m.xid from belfry.message_log m
            where m.receiver = inbox.receiver and case when m.viewed_at is null then 0 else 1 end = 0
                and m.hidden_at is null and m.id > low and m.id < unviewed_messages.before
                and (unviewed_messages.type is null or m.type = unviewed_messages.type)
                and belfry.is_listed(m.status, m.not_before, m.expires_at)
            order by m.id desc limit "limit";
    end if;
    -- The same index below it: what committed after it was set, if anything was under way then.
    if pg_snapshot_xmin(inbox.viewed_snapshot) <> pg_snapshot_xmax(inbox.viewed_snapshot) then
        return query
            select l.id, l.xid from (
                select m.id, m.xid, m.type, m.status, m.not_before, m.expires_at from belfry.message_log m
                where m.receiver = inbox.receiver and case when m.viewed_at is null then 0 else 1 end = 0
                    and m.hidden_at is null and m.id <= inbox.viewed_up_to and m.id < unviewed_messages.before
                    and m.id > greatest(foreign_up_to, unviewed_messages.after)
                order by m.id desc limit look_back) l
            where not pg_visible_in_snapshot(l.xid, inbox.viewed_snapshot) and l.id <> all (inbox.later)
                and (unviewed_messages.type is null or l.type = unviewed_messages.type)
                and belfry.is_listed(l.status, l.not_before, l.expires_at);
    end if;
    -- By primary key: what was held back.
    if cardinality(inbox.later) > 0 then
        return query
            select m.id, m.xid from belfry.message_log m
            where m.id = any (inbox.later) and m.id <= inbox.viewed_up_to and m.id > unviewed_messages.after
                and m.id < unviewed_messages.before and m.receiver = inbox.receiver and m.viewed_at is null
                and m.hidden_at is null and (unviewed_messages.type is null or m.type = unviewed_messages.type)
                and not pg_visible_in_snapshot(m.xid, inbox.viewed_snapshot)
                and belfry.is_listed(m.status, m.not_before, m.expires_at);
    end if;
end
$$;
comment on function belfry.unviewed_messages is
    'Messages between two ids that a user has not viewed, so many of the newest, or of the oldest, and perhaps some '
    'more, in no order.';

create function belfry.inbox_of(receiver text) returns belfry.inbox
language sql stable
as $$
    select coalesce(
        (select i from belfry.inbox i where i.receiver = inbox_of.receiver),
        row(inbox_of.receiver, 0, '1:1:', null, 0, '1:1:', '{}', 0)::belfry.inbox)
$$;
comment on function belfry.inbox_of is 'A user''s row, or what it would be.';

create function belfry.unread(receiver text) returns table (unviewed integer, unseen integer, changes bigint)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    inbox constant belfry.inbox := belfry.inbox_of(unread.receiver);
    foreign_up_to constant bigint := belfry.foreign_up_to();
begin
    perform belfry.require_history();
    return query
        select least(count(*), 1000)::integer,
            least(1000, count(*) filter (
                where not belfry.is_under(
                    n.id, n.xid, inbox.seen_up_to, inbox.seen_snapshot, inbox.later, foreign_up_to)))::integer,
            inbox.changes
        from belfry.unviewed_messages(inbox, 0, 9223372036854775807, 1000) n;
end
$$;
comment on function belfry.unread is
    'How many messages a user has not viewed, and how many of them no open list has shown, exactly up to 999; 1000 '
    'stands for more. Of two answers the one with more changes is newer.';

create type belfry.listed_message as (
    id bigint, type text, data jsonb, headers jsonb, created_at timestamptz, viewed_at timestamptz, seen boolean
);
comment on type belfry.listed_message is
    'A message in a history: viewed_at is null until it was viewed; seen, whether an open list has shown it.';

create function belfry.history(
    receiver text, before bigint default null, after bigint default null, "limit" integer default 50,
    type text default null, unviewed boolean default false
) returns setof belfry.listed_message
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp
set plan_cache_mode = force_custom_plan
-- A page goes along the index, whatever PostgreSQL knows of how many rows there are.
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
-- What is switched off counts as costly, and costly statements would be compiled.
set jit = off
as $$
#variable_conflict use_column
declare
    inbox constant belfry.inbox := belfry.inbox_of(history.receiver);
    foreign_up_to constant bigint := belfry.foreign_up_to();
    -- The bounds themselves are not in the page.
    low constant bigint := coalesce(history.after, 0);
    high constant bigint := coalesce(history.before, 9223372036854775807);
    asked constant integer := history."limit";
    ids bigint[];
begin
    perform belfry.require_history();
    if asked is null or asked not between 1 and 1000 then
        raise exception 'A page of a history has 1 to 1000 messages, but limit is %.', coalesce(asked::text, 'null')
            using errcode = 'invalid_parameter_value';
    elsif history.before is not null and history.after is not null then
        raise exception 'A page of a history lies before a message or after one, but both were given.'
            using errcode = 'invalid_parameter_value',
                hint = 'Give before => the last id of a page for the next one, after => the first id for what is '
                    'newer.';
    end if;

    if history.unviewed then
        ids := array(
            select n.id
            from belfry.unviewed_messages(inbox, low, high, asked, history.type, history.after is not null) n
            order by case when history.after is null then -n.id else n.id end
            limit asked);
    elsif history.after is null then
        -- Two ranges of the index message_log_history, viewed one by one and not, each from its newest on.
        ids := array(
            select n.id from (
                (select m.id from belfry.message_log m
                where m.receiver = history.receiver and case when m.viewed_at is null then 0 else 1 end = 0
                    and m.hidden_at is null and m.id < high and (history.type is null or m.type = history.type)
                    and belfry.is_listed(m.status, m.not_before, m.expires_at)
                order by m.id desc limit asked)
                union all
                (select m.id from belfry.message_log m
                where m.receiver = history.receiver and case when m.viewed_at is null then 0 else 1 end = 1
                    and m.hidden_at is null and m.id < high and (history.type is null or m.type = history.type)
                    and belfry.is_listed(m.status, m.not_before, m.expires_at)
                order by m.id desc limit asked)) n
            order by n.id desc limit asked);
    else
        -- The same from the oldest on: a page that joins the one it was asked after.
        ids := array(
            select n.id from (
                (select m.id from belfry.message_log m
                where m.receiver = history.receiver and case when m.viewed_at is null then 0 else 1 end = 0
                    and m.hidden_at is null and m.id > low and (history.type is null or m.type = history.type)
                    and belfry.is_listed(m.status, m.not_before, m.expires_at)
                order by m.id limit asked)
                union all
                (select m.id from belfry.message_log m
                where m.receiver = history.receiver and case when m.viewed_at is null then 0 else 1 end = 1
                    and m.hidden_at is null and m.id > low and (history.type is null or m.type = history.type)
                    and belfry.is_listed(m.status, m.not_before, m.expires_at)
                order by m.id limit asked)) n
            order by n.id limit asked);
    end if;

    return query
        select m.id, m.type, m.data, m.headers, m.created_at,
            coalesce(
                m.viewed_at,
                case when belfry.is_under(
                    m.id, m.xid, inbox.viewed_up_to, inbox.viewed_snapshot, inbox.later, foreign_up_to)
                    then inbox.viewed_at end),
            m.viewed_at is not null
                or belfry.is_under(
                    m.id, m.xid, inbox.viewed_up_to, inbox.viewed_snapshot, inbox.later, foreign_up_to)
                or belfry.is_under(m.id, m.xid, inbox.seen_up_to, inbox.seen_snapshot, inbox.later, foreign_up_to)
        from belfry.message_log m
        where m.id = any (ids) and (history.type is null or m.type = history.type)
        order by m.id desc
        limit asked;
end
$$;
comment on function belfry.history is
    'A page of a user''s messages, newest first: those before an id, or the next after one; of a type, or not viewed '
    'yet. What was deleted, is held back, has expired or was cancelled is not in it, nor are broadcasts.';

create function belfry.announce(receiver text, type text, change jsonb)
    returns table (unviewed integer, unseen integer, changes bigint)
language plpgsql
as $$
declare
    unread record;
begin
    select * into unread from belfry.unread(announce.receiver);
    insert into belfry.message_log (receiver, type, data, expires_at, hidden_at)
    values (announce.receiver, announce.type,
        announce.change || jsonb_build_object(
            'unviewed', unread.unviewed, 'unseen', unread.unseen, 'changes', unread.changes),
        statement_timestamp() + interval '1 minute', statement_timestamp());
    return query select unread.unviewed, unread.unseen, unread.changes;
end
$$;
comment on function belfry.announce is
    'Tells a user''s other sessions of a change, with the counts after it. Whoever is away asks for the counts on '
    'coming back: the message lives for a minute, and is in no history.';

create function belfry.ids_as_text(ids bigint[]) returns jsonb
language sql immutable parallel safe
return (select coalesce(jsonb_agg(i::text order by i), '[]') from unnest(ids) i);
comment on function belfry.ids_as_text is 'Ids as JSON strings: JavaScript has no 64-bit integers.';

create function belfry.check_ids(ids bigint[]) returns void
language plpgsql immutable
as $$
begin
    if cardinality(ids) > 1000 then
        raise exception 'At most 1000 ids go at once, but % were given.', cardinality(ids)
            using errcode = 'invalid_parameter_value', hint = 'Everything up to an id is marked by up_to.';
    elsif array_position(ids, null) is not null then
        raise exception 'One of the ids is null.' using errcode = 'invalid_parameter_value';
    end if;
end
$$;
comment on function belfry.check_ids is 'Raises the error for a list of ids that is too long or has a gap.';

create function belfry.keep_for_later(inbox belfry.inbox, up_to bigint) returns bigint[]
language plpgsql
as $$
declare
    kept bigint[];
begin
    -- Outbox (receiver, message_id); the log by primary key.
    kept := array(
        select m.id
        from belfry.outbox o join belfry.message_log m on m.id = o.message_id
        where o.receiver = inbox.receiver and o.topic is null and o.message_id <= keep_for_later.up_to
            and m.not_before > statement_timestamp() and m.viewed_at is null and m.hidden_at is null
        order by m.id
        limit 1000
        for no key update of m);
    -- No snapshot from before the end of this transaction sees it.
    update belfry.message_log m set xid = pg_current_xact_id() where m.id = any (kept);
    return array(
        select distinct i from unnest(inbox.later || kept) i
        where exists (
            select from belfry.message_log m where m.id = i and m.viewed_at is null and m.hidden_at is null)
        order by i
        limit 1000);
end
$$;
comment on function belfry.keep_for_later is
    'Messages under a watermark that are held back still, so that they are news when their time has come.';

create function belfry.newest_message(receiver text, up_to bigint) returns bigint
language sql stable
set plan_cache_mode = force_custom_plan
-- A page goes along the index, whatever PostgreSQL knows of how many rows there are.
set enable_sort = off
set enable_bitmapscan = off
set enable_seqscan = off
-- What is switched off counts as costly, and costly statements would be compiled.
set jit = off
as $$
    -- The ends of the two ranges of the index message_log_history.
    select greatest(
        (select m.id from belfry.message_log m
        where m.receiver = newest_message.receiver and case when m.viewed_at is null then 0 else 1 end = 0
            and m.hidden_at is null and m.id <= newest_message.up_to
        order by m.id desc limit 1),
        (select m.id from belfry.message_log m
        where m.receiver = newest_message.receiver and case when m.viewed_at is null then 0 else 1 end = 1
            and m.hidden_at is null and m.id <= newest_message.up_to
        order by m.id desc limit 1))
$$;
comment on function belfry.newest_message is 'The highest id of a user''s up to one; null when there is none.';

create function belfry.mark_viewed(receiver text, ids bigint[] default null, up_to bigint default null)
    returns table (unviewed integer, unseen integer, changes bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    inbox belfry.inbox;
    mark bigint;
    marked bigint[];
begin
    if num_nonnulls(mark_viewed.ids, mark_viewed.up_to) <> 1 then
        raise exception 'mark_viewed needs either ids or up_to.'
            using errcode = 'invalid_parameter_value',
                hint = 'For instance: select * from belfry.mark_viewed(''alice'', up_to => 42)';
    end if;
    perform belfry.check_ids(mark_viewed.ids);
    inbox := belfry.own_inbox(mark_viewed.receiver);

    if mark_viewed.ids is not null then
        marked := array(
            select m.id from belfry.message_log m
            where m.id = any (mark_viewed.ids) and m.receiver = mark_viewed.receiver and m.hidden_at is null
                and m.viewed_at is null and belfry.is_listed(m.status, m.not_before, m.expires_at)
                and not belfry.is_under(
                    m.id, m.xid, inbox.viewed_up_to, inbox.viewed_snapshot, inbox.later, belfry.foreign_up_to())
            order by m.id
            for no key update);
    else
        -- A message that comes later with a lower id than asked for must not lie under the mark.
        mark := belfry.newest_message(mark_viewed.receiver, mark_viewed.up_to);
        -- Those that have not been delivered are written anew, as their bodies say whether they are viewed.
        marked := array(
            select m.id
            from belfry.outbox o join belfry.message_log m on m.id = o.message_id
            where o.receiver = mark_viewed.receiver and o.topic is null and o.message_id <= mark
                and m.viewed_at is null and belfry.is_listed(m.status, m.not_before, m.expires_at)
            order by m.id
            limit 1000
            for no key update of m);
        -- And those that the mark of before does not hold for, if this one lies below it.
        if mark < inbox.viewed_up_to then
            marked := marked || array(
                select m.id from belfry.message_log m
                where m.id in (select n.id from belfry.unviewed_messages(inbox, 0, mark + 1, 1000) n)
                order by m.id
                for no key update);
        end if;
    end if;
    update belfry.message_log m set viewed_at = statement_timestamp() where m.id = any (marked);

    if mark > inbox.viewed_up_to or (mark = inbox.viewed_up_to and mark is not null) then
        update belfry.inbox i
        set viewed_up_to = mark, viewed_snapshot = belfry.mark_snapshot(), viewed_at = statement_timestamp(),
            later = belfry.keep_for_later(inbox, mark)
        where i.receiver = mark_viewed.receiver;
    elsif cardinality(inbox.later) > 0 then
        update belfry.inbox i
        set later = array(select l from unnest(inbox.later) l where l <> all (marked))
        where i.receiver = mark_viewed.receiver;
    end if;

    if mark is null and cardinality(marked) = 0 then
        return query select * from belfry.unread(mark_viewed.receiver);
    else
        return query
            select * from belfry.announce(mark_viewed.receiver, 'NOTIFY_VIEWED',
                case when mark is null then jsonb_build_object('ids', belfry.ids_as_text(marked))
                    else jsonb_build_object('upTo', mark::text) end);
    end if;
end
$$;
comment on function belfry.mark_viewed is
    'Marks messages of a user as viewed, those of ids (1,000 at most) or everything up to one, and tells the user''s '
    'sessions. Ids that are not the user''s are as if they did not exist. Returns what is unread then.';

create function belfry.mark_seen(receiver text, up_to bigint)
    returns table (unviewed integer, unseen integer, changes bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    inbox belfry.inbox;
    mark bigint;
begin
    if mark_seen.up_to is null then
        raise exception 'mark_seen needs up_to: the newest id that was shown.'
            using errcode = 'invalid_parameter_value';
    end if;
    inbox := belfry.own_inbox(mark_seen.receiver);
    mark := belfry.newest_message(mark_seen.receiver, mark_seen.up_to);
    if mark is null or mark < inbox.seen_up_to then
        return query select * from belfry.unread(mark_seen.receiver);
        return;
    end if;
    update belfry.inbox i
    set seen_up_to = mark, seen_snapshot = belfry.mark_snapshot(), later = belfry.keep_for_later(inbox, mark)
    where i.receiver = mark_seen.receiver;
    return query
        select * from belfry.announce(
            mark_seen.receiver, 'NOTIFY_VIEWED', jsonb_build_object('seenUpTo', mark::text));
end
$$;
comment on function belfry.mark_seen is
    'Notes that a user''s open list has shown everything up to an id: what a badge counts. Returns what is unread '
    'then.';

create function belfry.take_away(receiver text, ids bigint[], reason text) returns bigint[]
language plpgsql
as $$
#variable_conflict use_column
declare
    taken bigint[];
begin
    -- The outbox first and the log second, as everywhere.
    perform from belfry.outbox o
    where o.message_id = any (take_away.ids) and o.receiver = take_away.receiver
    order by o.message_id
    for update;
    taken := array(
        select m.id from belfry.message_log m
        where m.id = any (take_away.ids) and m.receiver = take_away.receiver and m.hidden_at is null
            -- What is held back is nobody's yet.
            and (m.not_before is null or m.not_before <= statement_timestamp())
        order by m.id
        for update);
    delete from belfry.outbox o where o.message_id = any (taken);
    delete from belfry.parked p where p.message_id = any (taken);
    update belfry.message_log m
    set hidden_at = statement_timestamp(), status_reason = take_away.reason,
        status = case when m.status in ('pending', 'parked') then 'cancelled' else m.status end
    where m.id = any (taken);
    return taken;
end
$$;
comment on function belfry.take_away is
    'Takes messages out of a user''s history and backlog; operators keep them. Returns those that were there.';

create function belfry.delete_for(receiver text, ids bigint[])
    returns table (unviewed integer, unseen integer, changes bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    inbox belfry.inbox;
    taken bigint[];
begin
    if delete_for.ids is null then
        raise exception 'delete_for needs ids.' using errcode = 'invalid_parameter_value';
    end if;
    perform belfry.check_ids(delete_for.ids);
    inbox := belfry.own_inbox(delete_for.receiver);
    taken := belfry.take_away(delete_for.receiver, delete_for.ids, 'Deleted by its receiver.');
    if cardinality(taken) = 0 then
        return query select * from belfry.unread(delete_for.receiver);
    else
        return query
            select * from belfry.announce(
                delete_for.receiver, 'NOTIFY_DELETED', jsonb_build_object('ids', belfry.ids_as_text(taken)));
    end if;
end
$$;
comment on function belfry.delete_for is
    'Deletes messages of a user''s, 1,000 at most, out of history and backlog, and tells the user''s sessions. Ids '
    'that are not the user''s are as if they did not exist. Returns what is unread then.';

create function belfry.snooze(receiver text, id bigint, until timestamptz) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    message belfry.message_log;
    copy bigint;
    marked jsonb;
begin
    if snooze.until is null or snooze.until <= statement_timestamp()
        or snooze.until > statement_timestamp() + interval '366 days'
    then
        raise exception 'A message is snoozed until a time within the next 366 days, but % was given.',
                coalesce(snooze.until::text, 'none')
            using errcode = 'invalid_parameter_value';
    end if;
    perform belfry.own_inbox(snooze.receiver);
    perform from belfry.outbox o
    where o.message_id = snooze.id and o.receiver = snooze.receiver
    for update;
    select * into message from belfry.message_log m
    where m.id = snooze.id and m.receiver = snooze.receiver and m.hidden_at is null
        and belfry.is_listed(m.status, m.not_before, m.expires_at)
    for update;
    if not found then
        return null;
    elsif message.expires_at <= snooze.until then
        raise exception 'Message % expires at %, before the end of the snooze.', snooze.id, message.expires_at
            using errcode = 'invalid_parameter_value', hint = 'Snooze it until a time before that.';
    end if;
    marked := coalesce(message.headers, '{}') || jsonb_build_object('snoozed-from', message.id::text);
    -- Where there is no room for the mark it comes back without.
    if belfry.headers_problem(marked) is not null then
        marked := message.headers;
    end if;
    -- A message of its own: whatever becomes of the one before, which sessions may hold, does not touch it.
    insert into belfry.message_log (receiver, type, data, headers, not_before, expires_at)
    values (message.receiver, message.type, message.data,
        marked, snooze.until, message.expires_at)
    returning id into copy;
    perform belfry.take_away(
        snooze.receiver, array[snooze.id],
        format('Snoozed by its receiver until %s, as message %s.', snooze.until, copy));
    perform belfry.announce(
        snooze.receiver, 'NOTIFY_DELETED',
        jsonb_build_object('ids', belfry.ids_as_text(array[snooze.id]), 'snoozedAs', copy::text));
    return copy;
end
$$;
comment on function belfry.snooze is
    'Takes a message of a user''s away until a time, within a year, when it comes back as a new one with the header '
    'snoozed-from. Returns the new one''s id; null when the user has no such message.';

update belfry.notification_type set schema = '{
    "type": "object",
    "anyOf": [{"required": ["ids"]}, {"required": ["upTo"]}, {"required": ["seenUpTo"]}],
    "properties": {
        "ids": {"type": "array", "items": {"oneOf": [
            {"type": "string", "pattern": "^[0-9]{1,19}$"}, {"type": "integer", "minimum": 1}]}},
        "upTo": {"type": "string", "pattern": "^[0-9]{1,19}$"},
        "seenUpTo": {"type": "string", "pattern": "^[0-9]{1,19}$"},
        "unviewed": {"type": "integer", "minimum": 0, "maximum": 1000},
        "unseen": {"type": "integer", "minimum": 0, "maximum": 1000},
        "changes": {"type": "integer", "minimum": 0}
    },
    "additionalProperties": false
}', description = 'The user marked these messages, or all up to one, viewed, or has seen them, on another device.'
where name = 'NOTIFY_VIEWED';
update belfry.notification_type set schema = '{
    "type": "object",
    "required": ["ids"],
    "properties": {
        "ids": {"type": "array", "items": {"oneOf": [
            {"type": "string", "pattern": "^[0-9]{1,19}$"}, {"type": "integer", "minimum": 1}]}},
        "snoozedAs": {"type": "string", "pattern": "^[0-9]{1,19}$"},
        "unviewed": {"type": "integer", "minimum": 0, "maximum": 1000},
        "unseen": {"type": "integer", "minimum": 0, "maximum": 1000},
        "changes": {"type": "integer", "minimum": 0}
    },
    "additionalProperties": false
}', description = 'The user deleted or snoozed these messages, on another device perhaps.'
where name = 'NOTIFY_DELETED';

revoke all on function
    belfry.require_history(), belfry.own_inbox(text), belfry.is_listed(text, timestamptz, timestamptz),
    belfry.is_under(bigint, xid8, bigint, pg_snapshot, bigint[], bigint), belfry.foreign_up_to(),
    belfry.mark_snapshot(),
    belfry.unviewed_messages(belfry.inbox, bigint, bigint, integer, text, boolean), belfry.inbox_of(text),
    belfry.unread(text), belfry.was_taken_away(text, text),
    belfry.history(text, bigint, bigint, integer, text, boolean), belfry.announce(text, text, jsonb),
    belfry.ids_as_text(bigint[]), belfry.check_ids(bigint[]), belfry.keep_for_later(belfry.inbox, bigint),
    belfry.newest_message(text, bigint), belfry.mark_viewed(text, bigint[], bigint), belfry.mark_seen(text, bigint),
    belfry.take_away(text, bigint[], text), belfry.delete_for(text, bigint[]), belfry.snooze(text, bigint, timestamptz)
    from public;
grant execute on function
    belfry.unread(text), belfry.history(text, bigint, bigint, integer, text, boolean),
    belfry.mark_viewed(text, bigint[], bigint), belfry.mark_seen(text, bigint), belfry.delete_for(text, bigint[]),
    belfry.snooze(text, bigint, timestamptz)
    to belfry_writer, belfry_service;
