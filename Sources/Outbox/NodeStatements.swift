import Postgres

/// The text of every statement a node sends, with the plan it relies on.
enum NodeStatements {
    /// Broadcasts of one topic that one look lists at most: far above what one topic gets between two looks.
    static let topicRowsMax = 50_000
    /// Stored bytes of `data` after which a page of one read ends, so that large messages do not fill the memory.
    static let pageBytes = 512 * 1024

    /// Plan: by primary key. The incarnation: the cluster, its timeline, its start; its last crash, which resets the
    /// statistics; and the cluster that the relay's cursor is for, which changes when the relay starts over.
    static let heartBeat = PostgresStatement(
        "belfry_node_heart_beat",
        """
        insert into belfry.node as n (id, host, pid, listen, sessions, heartbeat_at)
        values ($1::uuid, $2, $3::bigint, $4, $5::bigint, now())
        on conflict (id) do update set heartbeat_at = now(), sessions = excluded.sessions
        returning n.xmax = 0,
            (select system_identifier::text from pg_control_system())
                || '/' || coalesce(pg_walfile_name(pg_current_wal_lsn())::text, '')::varchar(8)
                || '/' || extract(epoch from pg_postmaster_start_time())::text
                || '/' || coalesce((select extract(epoch from stats_reset)::text from pg_stat_bgwriter), '')
                || '/' || coalesce((select c.system_identifier::text from belfry.relay_cursor c where c.shard = 0), '')
        """)

    /// Plan: by primary key and by session(node_id).
    static let leave = PostgresStatement(
        "belfry_node_leave",
        """
        with sessions as (delete from belfry.session where node_id = $1::uuid)
        delete from belfry.node where id = $1::uuid
        """)

    /// Plan: a nested loop over the reads, each an index scan on outbox (receiver, message_id) that stops at the limit,
    /// then message_log by primary key. `offset 0` looks for other sessions once a read, not once a row. The first row of the
    /// answer holds the statement's snapshot.
    static let readBacklog = PostgresStatement(
        "belfry_node_read_backlog",
        """
        with opened as (
            insert into belfry.session (id, node_id, receiver)
            select s.id::uuid, $1::uuid, s.receiver from unnest($2::text[], $3::text[]) as s(id, receiver)
            on conflict (id) do nothing
        )
        select 0::bigint as place, null::bigint, null::text, null::boolean, null::text, null::text,
            pg_current_snapshot()::text, null::bigint
        union all
        (select r.place, b.message_id, b.xid::text, b.redelivered or other.present,
            belfry.header_lines((b.l).headers), belfry.body(b.l), null, b.candidates
        from unnest($4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[]) with ordinality
            as r(receiver, after, snapshot, floor, session_id, place)
        cross join lateral (
            select exists (
                select 1 from belfry.session s
                where s.receiver = r.receiver and s.id <> r.session_id::uuid) as present
            offset 0
        ) as other
        cross join lateral (
            select p.*, count(*) over () as candidates,
                sum(pg_column_size((p.l).data)) over (
                    order by p.message_id rows between unbounded preceding and 1 preceding) as bytes_before
            from (
                select o.message_id, o.xid, o.redelivered, l
                from belfry.outbox o join belfry.message_log l on l.id = o.message_id
                where o.receiver = r.receiver and o.message_id > r.after
                    and (r.snapshot = '' or pg_visible_in_snapshot(o.xid, nullif(r.snapshot, '')::pg_snapshot))
                    and (r.floor = '' or not pg_visible_in_snapshot(o.xid, nullif(r.floor, '')::pg_snapshot))
                    and o.not_before is null and (o.expires_at is null or o.expires_at > now())
                order by o.message_id
                limit $9::bigint
            ) as p
        ) as b
        where b.bytes_before is null or b.bytes_before < \(pageBytes)
        order by r.place, b.message_id)
        """)

    /// Plan: an index scan on message_log (topic, id) that stops at the limit. A row still in the outbox tells its xid;
    /// one that left it was published long ago and is visible in any snapshot.
    static let readTopic = PostgresStatement(
        "belfry_node_read_topic",
        """
        select 0::bigint, null::bigint, null::text, null::boolean, null::text, null::text,
            pg_current_snapshot()::text, null::bigint
        union all
        (select 1, (b.l).id, b.xid, false, belfry.header_lines((b.l).headers), belfry.body(b.l), null, b.candidates
        from (
            select p.*, count(*) over () as candidates,
                sum(pg_column_size((p.l).data)) over (
                    order by (p.l).id rows between unbounded preceding and 1 preceding) as bytes_before
            from (
                select l, coalesce(o.xid::text, '0') as xid
                from belfry.message_log l left join belfry.outbox o on o.message_id = l.id
                where l.topic = $1 and l.id > $2::bigint
                    and ($3 = '' or o.xid is null or pg_visible_in_snapshot(o.xid, nullif($3, '')::pg_snapshot))
                    and l.status not in ('cancelled', 'parked')
                    and o.not_before is null and (l.expires_at is null or l.expires_at > now())
                order by l.id
                limit $4::bigint
            ) as p
        ) as b
        where b.bytes_before is null or b.bytes_before < \(pageBytes)
        order by (b.l).id)
        """)

    /// Plan: outbox, parked and message_log by primary key. A topic's outbox row stays for nodes that missed it. Counting
    /// `gone` makes PostgreSQL delete before it updates: every statement of Belfry locks the outbox before the log.
    static let markDelivered = PostgresStatement(
        "belfry_node_mark_delivered",
        """
        with gone as (
            delete from belfry.outbox where message_id = any($1::bigint[]) and topic is null
            returning message_id
        ), unparked as (
            delete from belfry.parked where message_id = any($1::bigint[])
        )
        update belfry.message_log set status = 'delivered', status_reason = null, delivered_at = now()
        where id = any($1::bigint[]) and status in ('pending', 'parked', 'expired')
            and (select count(*) from gone) is not null
        returning extract(epoch from clock_timestamp() - created_at)::float8
        """)

    /// Plan: by primary key. Several sessions that refuse one message count once. A refused row waits until `not_before` and is then re-stamped and published again.
    static let refuse = PostgresStatement(
        "belfry_node_refuse",
        """
        with refused as (
            update belfry.outbox
            set attempts = attempts + 1, redelivered = true, last_error = 'refused by the client (NACK)',
                not_before = clock_timestamp() + $2::bigint * interval '1 millisecond'
            where message_id = any($1::bigint[]) and topic is null and not_before is null
                and attempts + 1 < $3::bigint
            returning message_id
        ), gone as (
            delete from belfry.outbox
            where message_id = any($1::bigint[]) and topic is null and not_before is null
                and attempts + 1 >= $3::bigint
            returning message_id, attempts + 1 as attempts
        ), parked as (
            insert into belfry.parked (message_id, reason, attempts)
            select message_id, 'refused by the client (NACK) ' || attempts || ' times', attempts from gone
            on conflict (message_id) do nothing
        )
        update belfry.message_log l
        set status = 'parked', status_reason = 'refused by the client (NACK) ' || gone.attempts || ' times'
        from gone where l.id = gone.message_id and l.status = 'pending'
        """)

    /// Plan: by primary key.
    static let closeSessions = PostgresStatement(
        "belfry_node_close_sessions",
        """
        with marked as (
            update belfry.outbox set redelivered = true
            where message_id = any($2::bigint[]) and topic is null and not redelivered
        )
        delete from belfry.session where id = any($1::uuid[])
        """)

    /// While the bus works ($5) a user's rows that a relay at work has not published yet are its business, and not listed;
    /// one that has not moved for two seconds may be away, and then all are.
    /// Plan: a nested loop over users and topics, each a walk of its part of outbox (receiver, …) or (topic, …).
    static let reconcile = PostgresStatement(
        "belfry_node_reconcile",
        """
        select null::text, null::text, null::bigint, pg_current_snapshot()::text
        union all
        select r.receiver, null, b.message_id, b.xid::text
        from (
            select (
                select c.snapshot from belfry.relay_cursor c
                where $5::boolean and c.shard = 0 and c.advanced_at > clock_timestamp() - interval '2 seconds'
            ) as published
            offset 0
        ) as c
        cross join unnest($1::text[]) as r(receiver)
        cross join lateral (
            select o.message_id, o.xid from belfry.outbox o
            where o.receiver = r.receiver and o.not_before is null
                and (o.expires_at is null or o.expires_at > now())
                and (c.published is null or pg_visible_in_snapshot(o.xid, c.published))
            order by o.message_id limit $4::bigint
        ) as b
        union all
        select null, r.topic, b.message_id, b.xid::text
        from unnest($2::text[], $3::text[]) as r(topic, floor)
        cross join lateral (
            select o.message_id, o.xid from belfry.outbox o
            where o.topic = r.topic and o.not_before is null
                and (o.expires_at is null or o.expires_at > now())
                and case when r.floor = '' then o.published_at is null
                    else not pg_visible_in_snapshot(o.xid, nullif(r.floor, '')::pg_snapshot) end
            limit \(topicRowsMax)
        ) as b
        """)

    /// Plan: outbox and message_log by primary key.
    static let readBroadcasts = PostgresStatement(
        "belfry_node_read_broadcasts",
        """
        select 0::bigint, null::bigint, null::text, null::boolean, null::text, null::text,
            pg_current_snapshot()::text, null::bigint
        union all
        (select 1, o.message_id, o.xid::text, false, belfry.header_lines(l.headers), belfry.body(l), null, null
        from belfry.outbox o join belfry.message_log l on l.id = o.message_id
        where o.message_id = any($1::bigint[]) and o.receiver is null and o.not_before is null
            and (o.expires_at is null or o.expires_at > now())
        order by o.message_id)
        """)
}
